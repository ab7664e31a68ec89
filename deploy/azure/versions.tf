# Written by chroma-otel-deploy: change the spec and run `gen` again.
terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id

  # Registers only its core resource providers and the required ones, not the default of about
  # seventy.
  resource_provider_registrations = "core"
  resource_providers_to_register = [
    "Microsoft.ContainerRegistry",
    "Microsoft.DataProtection",
    "Microsoft.KeyVault",
    "Microsoft.OperationalInsights",
    "microsoft.insights",
  ]

  features {}
}
