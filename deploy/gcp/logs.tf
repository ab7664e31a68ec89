# Logs of Chroma, the collector and a boot that failed, kept for their time. The project's own bucket
# `_Default` has them as well, for as long as it keeps what comes.

resource "google_logging_project_bucket_config" "logs" {
  project        = var.project_id
  location       = local.region
  bucket_id      = "${var.name}-logs"
  description    = "Logs of ${var.name}"
  retention_days = var.log_retention_days

  depends_on = [google_project_service.needed]
}

resource "google_logging_project_sink" "logs" {
  name        = "${var.name}-logs"
  description = "Logs of ${var.name}, to a bucket of their own"
  destination = "logging.googleapis.com/${google_logging_project_bucket_config.logs.id}"

  # As Docker and the boot name the machine, whichever it is.
  filter = join(" OR ", [
    "(log_id(\"gcplogs-docker-driver\") AND jsonPayload.instance.name = \"${var.name}\")",
    "(log_id(\"chroma-otel-boot\") AND labels.\"chroma-otel-deploy\" = \"${var.name}\")",
  ])
}
