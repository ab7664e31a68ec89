output "address" {
  description = "Where clients in the network find Chroma, also after the machine was replaced"
  value       = "http://${google_compute_address.chroma.address}:8000"
}

output "open_session" {
  description = "A shell on the machine, by Identity-Aware Proxy"
  value       = "gcloud compute ssh ${google_compute_instance.chroma.name} --project ${var.project_id} --zone ${var.zone} --tunnel-through-iap"
}

output "traces" {
  description = "Where the traces are"
  value       = "https://console.cloud.google.com/traces/explorer?project=${var.project_id}"
}

output "data_disk" {
  description = "The disk with the data"
  value       = google_compute_disk.data.name
}

output "log_bucket" {
  description = "Logs of Chroma, the collector and the boot"
  value       = google_logging_project_bucket_config.logs.id
}
