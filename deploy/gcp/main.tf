# Chroma 1.5.9 with traces to Google Cloud Trace over Google's OTLP endpoint.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 9"
    }
  }
}

provider "google" {
  project = var.project_id
}

module "chroma" {
  source = "./chroma"

  name                                     = "chroma"
  chroma_version                           = "1.5.9"
  machine_type                             = "e2-medium"
  architecture                             = "x86_64"
  project_id                               = var.project_id
  zone                                     = var.zone
  network                                  = var.network
  subnet                                   = var.subnet
  allowed_cidrs                            = var.allowed_cidrs
  chroma_otel_collection_endpoint          = "https://telemetry.googleapis.com/v1/traces"
  chroma_otel_service_name                 = "chromadb"
  chroma_otel_granularity                  = "operation"
  chroma_otel_collection_headers           = var.chroma_otel_collection_headers
  chroma_otel_collection_headers_version   = var.chroma_otel_collection_headers_version
  chroma_otel_collection_headers_secret_id = var.chroma_otel_collection_headers_secret_id
  disk_size                                = 20
  snapshots_kept                           = 7
  log_retention_days                       = 30
}

# For a state from before the module: keeps the data.
moved {
  from = google_compute_disk.data
  to   = module.chroma.google_compute_disk.data
}
