terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 9"
    }
  }
}
