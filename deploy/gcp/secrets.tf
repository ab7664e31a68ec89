# The machine reads the secrets when it boots, and every ten minutes. A value that is given here goes to
# Secret Manager and nowhere else: Terraform passes it on and forgets it, and so cannot see that it has
# changed. Its `…_version` tells.

resource "google_secret_manager_secret" "chroma_otel_collection_headers" {
  count = local.stores_chroma_otel_collection_headers ? 1 : 0

  secret_id = "${var.name}-chroma_otel_collection_headers-${local.region}" # another region's is made before this one goes
  labels    = local.labels

  replication {
    user_managed {
      replicas {
        location = local.region # where the machine is, and nowhere else
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
    create_before_destroy = true # the machine finds one at any time
  }
}

locals {
  stores_chroma_otel_collection_headers = var.chroma_otel_collection_headers_secret_id == "" && var.chroma_otel_collection_headers_version > 0
  has_chroma_otel_collection_headers    = local.stores_chroma_otel_collection_headers || var.chroma_otel_collection_headers_secret_id != ""

  # The version's, so that the machine starts after the value is there.
  chroma_otel_collection_headers_id = local.stores_chroma_otel_collection_headers ? google_secret_manager_secret_version.chroma_otel_collection_headers[0].secret : var.chroma_otel_collection_headers_secret_id
}
