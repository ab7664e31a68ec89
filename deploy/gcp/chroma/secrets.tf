# The machine reads the secrets at boot and every ten minutes. Terraform writes a value to Secret
# Manager without storing it, so it cannot detect a change: raise `…_version`.

resource "google_secret_manager_secret" "chroma_otel_collection_headers" {
  count = local.stores_chroma_otel_collection_headers ? 1 : 0

  project   = var.project_id
  secret_id = "${var.name}-chroma_otel_collection_headers-${local.region}" # a secret in another region is created before this one is deleted
  labels    = local.labels

  replication {
    user_managed {
      replicas {
        location = local.region # only in the machine's region
      }
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_version" "chroma_otel_collection_headers" {
  count = local.stores_chroma_otel_collection_headers ? 1 : 0

  secret                 = google_secret_manager_secret.chroma_otel_collection_headers[0].id
  secret_data_wo         = var.chroma_otel_collection_headers
  secret_data_wo_version = var.chroma_otel_collection_headers_version

  lifecycle {
    create_before_destroy = true # a secret is always available
  }
}

locals {
  stores_chroma_otel_collection_headers = var.chroma_otel_collection_headers_secret_id == "" && var.chroma_otel_collection_headers_version > 0
  has_chroma_otel_collection_headers    = local.stores_chroma_otel_collection_headers || var.chroma_otel_collection_headers_secret_id != ""

  # From the version, so that the machine starts after the value is stored.
  chroma_otel_collection_headers_id = local.stores_chroma_otel_collection_headers ? google_secret_manager_secret_version.chroma_otel_collection_headers[0].secret : var.chroma_otel_collection_headers_secret_id
}
