# Written by chroma-otel-deploy: change the spec and run `gen` again.
terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = local.region
  zone    = var.zone
}
