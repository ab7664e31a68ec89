# Logs of Chroma, the collector and failed boots, kept for their retention. The project's bucket
# `_Default` also contains them, with its own retention.

resource "google_logging_project_bucket_config" "logs" {
  project        = var.project_id
  location       = local.region
  bucket_id      = "${var.name}-logs"
  description    = "Logs of ${var.name}"
  retention_days = var.log_retention_days

  depends_on = [google_project_service.needed]
}

resource "google_logging_project_sink" "logs" {
  project     = var.project_id
  name        = "${var.name}-logs"
  description = "Logs of ${var.name}, in a separate bucket"
  destination = "logging.googleapis.com/${google_logging_project_bucket_config.logs.id}"

  # Matches the names that Docker and boot use for the machine.
  filter = join(" OR ", [
    "(log_id(\"gcplogs-docker-driver\") AND jsonPayload.instance.name = \"${var.name}\")",
    "(log_id(\"chroma-otel-boot\") AND labels.\"chroma-otel-deploy\" = \"${var.name}\")",
  ])
}
