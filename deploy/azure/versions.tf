# Written by chroma-otel-deploy: change the spec and run `gen` again.
terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    azapi = {
      source  = "azure/azapi"
      version = "~> 2.13"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.81, < 6.0"
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
    "Microsoft.OperationalInsights",
    "microsoft.insights",
  ]

  features {}
}

# Shuts the machine down, with the credentials of azurerm.
provider "azapi" {
  subscription_id = var.subscription_id
}
