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

  # Beside those that it registers by itself.
  resource_providers_to_register = [
    "Microsoft.ContainerRegistry",
    "Microsoft.DataProtection",
    "Microsoft.KeyVault",
    "Microsoft.OperationalInsights",
  ]

  features {
    application_insights {
      disable_generated_rule = true # an alert that nobody asked for
    }
  }
}
