# Chroma 1.5.9 on one Compute Engine machine, its traces to Google Cloud Trace, over Google's OTLP endpoint.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
#
#   storage.tf      the disk with the data, its snapshots
#   network.tf      the address, and who may connect
#   secrets.tf      keys, and where they are kept
#   permissions.tf  what the machine may do
#   machine.tf      the machine, and what is written to it
#   logs.tf         where its logs are, and for how long
#   alarms.tf       on request

# Debian 12, the newest: an `apply` after its release replaces the machine and keeps the data.
data "google_compute_image" "debian" {
  project = "debian-cloud"
  family  = var.architecture == "arm64" ? "debian-12-arm64" : "debian-12"

  depends_on = [google_project_service.compute]
}

data "google_compute_subnetwork" "chroma" {
  name   = var.subnet
  region = local.region

  lifecycle {
    postcondition {
      condition     = endswith(self.network, "/networks/${var.network}")
      error_message = "The subnet is in ${self.network}: network says otherwise."
    }
  }

  depends_on = [google_project_service.compute]
}

# Google's services that this needs are switched on, and stay on when it is destroyed: others may use them.
# Compute Engine by itself: what is read above waits for it and for no other.
resource "google_project_service" "compute" {
  service            = "compute.googleapis.com"
  disable_on_destroy = false
}

resource "google_project_service" "needed" {
  for_each = toset(local.services)

  service            = each.value
  disable_on_destroy = false
}

locals {
  services = concat(
    [
      "artifactregistry.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudtrace.googleapis.com",
      "iam.googleapis.com",
      "iap.googleapis.com",
      "logging.googleapis.com",
      "secretmanager.googleapis.com",
      "telemetry.googleapis.com",
    ],
    local.alarms ? ["monitoring.googleapis.com"] : [],
  )

  region = replace(var.zone, "/-[a-z]$/", "")

  # Its repository for both images is called like the deployment.
  registry = "${local.region}-docker.pkg.dev/${var.project_id}"

  # These families take no Persistent Disk. A disk cannot become the other kind: see README.md.
  disk_type = can(regex("^(c4|c4a|c4d|h4d|m4|n4|n4a|n4d|x4)-", var.machine_type)) ? "hyperdisk-balanced" : "pd-balanced"

  # A disk that is attached has a path by the name that it is attached under: its own.
  data_device = "/dev/disk/by-id/google-${google_compute_disk.data.name}"
  alarms      = var.notification_channel != ""
  labels      = { chroma-otel-deploy = var.name }
}
