# Permissions of the machine.

resource "google_service_account" "machine" {
  project      = var.project_id
  account_id   = "${var.name}-machine"
  display_name = "The machine of ${var.name}"

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "machine" {
  for_each = toset(concat(
    ["roles/logging.logWriter"],
    ["roles/serviceusage.serviceUsageConsumer", "roles/telemetry.tracesWriter"], # to send traces
    local.alarms ? ["roles/monitoring.metricWriter"] : [],
  ))

  project = var.project_id
  role    = each.value
  member  = google_service_account.machine.member
}

resource "google_artifact_registry_repository_iam_member" "images" {
  project    = var.project_id
  location   = local.region
  repository = "chroma"
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.machine.member

  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "chroma_otel_collection_headers" {
  count = local.has_chroma_otel_collection_headers ? 1 : 0

  secret_id = local.chroma_otel_collection_headers_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.machine.member
}
