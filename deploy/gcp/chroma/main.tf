# Chroma 1.5.9 on one Compute Engine machine with traces to
# Google Cloud Trace over Google's OTLP endpoint.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
#
#   storage.tf      the data disk and its snapshots
#   network.tf      the address and the allowed clients
#   secrets.tf      keys in the secret store
#   permissions.tf  permissions of the machine
#   machine.tf      the machine and its files
#   logs.tf         the logs and their retention
#   alarms.tf       optional alarms

# The newest Debian 13: the next `apply` after a release replaces the machine and keeps the data.
data "google_compute_image" "debian" {
  project = "debian-cloud"
  family  = var.architecture == "arm64" ? "debian-13-arm64" : "debian-13"

  depends_on = [google_project_service.compute]
}

data "google_compute_subnetwork" "chroma" {
  project = var.project_id
  name    = var.subnet
  region  = local.region

  lifecycle {
    postcondition {
      condition     = endswith(self.network, "/networks/${var.network}")
      error_message = "The subnet is in ${self.network}, which differs from network."
    }
  }

  depends_on = [google_project_service.compute]
}

# Enables required Google services. They stay enabled on destroy, because others may use them.
# Compute Engine is separate, because the data sources above need only this service.
resource "google_project_service" "compute" {
  count = var.enable_apis ? 1 : 0

  project            = var.project_id
  service            = "compute.googleapis.com"
  disable_on_destroy = false
}

resource "google_project_service" "needed" {
  for_each = toset(var.enable_apis ? local.services : [])

  project            = var.project_id
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

  # The repository for both images has the name of the deployment.
  registry = "${local.region}-docker.pkg.dev/${var.project_id}"

  # These families do not support Persistent Disk. A disk cannot change its type: see ../README.md.
  disk_type = can(regex("^(c4|c4a|c4d|h4d|m4|n4|n4a|n4d|x4)-", var.machine_type)) ? "hyperdisk-balanced" : "pd-balanced"

  # The device path of an attached disk contains its device name.
  data_device = "/dev/disk/by-id/google-${google_compute_disk.data.name}"
  alarms      = var.notification_channel != ""
  labels      = { chroma-otel-deploy = var.name }
}
