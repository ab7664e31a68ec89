terraform {
  required_version = ">= 1.11" # write-only values of secrets

  required_providers {
    azapi = {
      source  = "azure/azapi"
      version = ">= 2.13, < 4"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.78, < 6" # local_authentication_enabled of Application Insights
    }
  }
}
