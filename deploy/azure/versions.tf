# Written by chroma-otel-deploy: change the spec and run `gen` again.
terraform {
  required_version = ">= 1.11" # values of secrets that no state and no plan holds

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id

  # Its few, and what is needed here: not the seventy that it takes by itself.
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
