# The machine. Google restarts it if its host fails; `apply` recreates a deleted one. The data disk
# stays the same.

resource "google_compute_instance" "chroma" {
  #checkov:skip=CKV_GCP_38:encrypted by a key of Google; set `machine.kms_key` for your own
  project                   = var.project_id
  name                      = var.name
  description               = "Chroma"
  zone                      = var.zone
  machine_type              = var.machine_type
  metadata_startup_script   = local.startup_script # a changed version or variable replaces the machine
  labels                    = local.labels
  allow_stopping_for_update = true  # needed to change the machine type
  deletion_protection       = false # it contains no data

  boot_disk {
    initialize_params {
      image  = data.google_compute_image.debian.self_link
      type   = local.disk_type
      size   = 16
      labels = local.labels
    }
  }

  attached_disk {
    source      = google_compute_disk.data.self_link
    device_name = google_compute_disk.data.name
  }

  network_interface {
    subnetwork = data.google_compute_subnetwork.chroma.self_link
    network_ip = google_compute_address.chroma.address
  }

  # permissions.tf limits access; scopes are a second, coarser list.
  service_account {
    email  = google_service_account.machine.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = var.architecture == "x86_64" # Debian's Arm image does not boot with it
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  scheduling {
    automatic_restart = true
  }

  metadata = {
    enable-oslogin          = "TRUE"
    block-project-ssh-keys  = "TRUE"
    enable-guest-attributes = "TRUE" # for the result of the boot
  }

  lifecycle {
    # A new subnet needs a new address, and Google deletes only unused addresses: replace the
    # machine first.
    replace_triggered_by = [google_compute_address.chroma.subnetwork]
  }

  # Permissions and firewall rules exist before the boot. Permissions can take minutes to apply;
  # boot retries.
  depends_on = [
    google_compute_firewall.clients,
    google_compute_firewall.nobody_else,
    google_compute_firewall.ssh,
    google_logging_project_sink.logs,
    google_project_iam_member.machine,
    google_artifact_registry_repository_iam_member.images,
    google_secret_manager_secret_iam_member.chroma_otel_collection_headers,
  ]
}

# Files of the machine. The script receives the lines of each in Base64, so no value of a variable
# is interpreted by a shell. Blank lines are omitted.
locals {
  machine_env = compact([
    "GOOGLE_CLOUD_PROJECT=${var.project_id}",
    "DEPLOYMENT=${var.name}",
    "DATA_DEVICE=${local.data_device}",
    "CHROMA_IMAGE=${local.registry}/chroma/chroma:${var.chroma_version}-0752edc0ca34",
    "COLLECTOR_IMAGE=${local.registry}/chroma/otel-collector:0.158.0-0752edc0ca34",
    local.alarms ? "METRICS_NAMESPACE=Chroma" : "",
  ])

  chroma_env = compact([
    "# environment of Chroma's container",
    "CHROMA_OTEL_COLLECTION_ENDPOINT=http://otel-collector:4317",
    "CHROMA_OTEL_SERVICE_NAME=${var.chroma_otel_service_name}",
    "CHROMA_OTEL_GRANULARITY=${var.chroma_otel_granularity}",
    "SQLITE_TMPDIR=/data",
  ])

  collector_env = compact([
    "GOMEMLIMIT=409MiB",
    "GOOGLE_CLOUD_PROJECT=${var.project_id}",
    "CHROMA_VERSION=${var.chroma_version}",
    "CHROMA_OTEL_COLLECTION_ENDPOINT=${var.chroma_otel_collection_endpoint}",
  ])

  secrets = compact([
    "# container, variable, and the secret that contains its value",
    local.has_chroma_otel_collection_headers ? "collector CHROMA_OTEL_COLLECTION_HEADERS ${local.chroma_otel_collection_headers_id}" : "",
  ])

  startup_script = templatefile("${path.module}/startup-script.sh.tftpl", {
    machine_env   = base64encode(join("", [for line in local.machine_env : "${line}\n"]))
    chroma_env    = base64encode(join("", [for line in local.chroma_env : "${line}\n"]))
    collector_env = base64encode(join("", [for line in local.collector_env : "${line}\n"]))
    secrets       = base64encode(join("", [for line in local.secrets : "${line}\n"]))
  })
}
