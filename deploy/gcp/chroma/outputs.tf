output "address" {
  description = "Address of Chroma for clients in the network; stays when the machine is replaced"
  value       = "http://${google_compute_address.chroma.address}:8000"
}

output "ip_address" {
  description = "Internal IP address"
  value       = google_compute_address.chroma.address
}

output "open_session" {
  description = "Command for a shell on the machine, through Identity-Aware Proxy"
  value       = "gcloud compute ssh ${google_compute_instance.chroma.name} --project ${var.project_id} --zone ${var.zone} --tunnel-through-iap"
}

output "traces" {
  description = "Location of the traces"
  value       = "https://console.cloud.google.com/traces/explorer?project=${var.project_id}"
}

output "instance_id" {
  description = "The machine"
  value       = google_compute_instance.chroma.id
}

output "service_account_email" {
  description = "The service account of the machine; the firewall rules apply to it"
  value       = google_service_account.machine.email
}

output "data_disk" {
  description = "The data disk"
  value       = google_compute_disk.data.name
}

output "log_bucket" {
  description = "Logs of Chroma, the collector and the boot"
  value       = google_logging_project_bucket_config.logs.id
}

# A warning of `plan` and `apply` unless the last boot succeeded; a new machine has no result for some
# minutes. Errors of a data source in a check are also warnings
# (https://developer.hashicorp.com/terraform/language/block/check).
check "boot" {
  data "google_compute_instance_guest_attributes" "boot" {
    project      = var.project_id
    name         = google_compute_instance.chroma.name
    zone         = var.zone
    variable_key = "chroma-otel/boot"
  }

  assert {
    condition     = data.google_compute_instance_guest_attributes.boot.variable_value == "healthy"
    error_message = "The last boot: ${data.google_compute_instance_guest_attributes.boot.variable_value}"
  }
}
