# The machine. Google starts it again when its host dies; one that was deleted comes back with `apply`. Either
# finds the same disk.

resource "google_compute_instance" "chroma" {
  name                      = var.name
  description               = "Chroma"
  zone                      = var.zone
  machine_type              = var.machine_type
  metadata_startup_script   = local.startup_script # a changed version or variable makes a new machine
  labels                    = local.labels
  allow_stopping_for_update = true  # another machine type needs it
  deletion_protection       = false # the data is not here

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

  # What it may do is in permissions.tf: a scope is a second, coarser list.
  service_account {
    email  = google_service_account.machine.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = var.architecture == "x86_64" # Debian's image for Arm does not start with it
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  scheduling {
    automatic_restart = true
  }

  metadata = {
    enable-oslogin          = "TRUE"
    block-project-ssh-keys  = "TRUE"
    enable-guest-attributes = "TRUE" # there it says how its boot went
  }

  lifecycle {
    # Another subnet makes another address, and Google deletes none that is in use: the machine goes first.
    replace_triggered_by = [google_compute_address.chroma.subnetwork]
  }

  # It may do what it has to, and can be reached, when it boots. Permissions take minutes to arrive
  # everywhere: it tries again.
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

# What is written to the machine. A value of a variable passes no shell: each of these files is a list of
# lines, which the script gets in Base64. Blank lines are not there.
locals {
  machine_env = compact([
    "GOOGLE_CLOUD_PROJECT=${var.project_id}",
    "DEPLOYMENT=${var.name}",
    "DATA_DEVICE=${local.data_device}",
    "CHROMA_IMAGE=${local.registry}/chroma/chroma:${var.chroma_version}-cb7e428362d7",
    "COLLECTOR_IMAGE=${local.registry}/chroma/otel-collector:0.158.0-cb7e428362d7",
    local.alarms ? "METRICS_NAMESPACE=Chroma" : "",
  ])

  chroma_env = compact([
    "# what the container of Chroma is given",
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
    "# whose, which variable, and the secret that holds its value",
    local.has_chroma_otel_collection_headers ? "collector CHROMA_OTEL_COLLECTION_HEADERS ${local.chroma_otel_collection_headers_id}" : "",
  ])

  startup_script = templatefile("${path.module}/startup-script.sh.tftpl", {
    machine_env   = base64encode(join("", [for line in local.machine_env : "${line}\n"]))
    chroma_env    = base64encode(join("", [for line in local.chroma_env : "${line}\n"]))
    collector_env = base64encode(join("", [for line in local.collector_env : "${line}\n"]))
    secrets       = base64encode(join("", [for line in local.secrets : "${line}\n"]))
  })
}
