# Chroma 1.5.9 with traces to Azure Monitor, Application Insights.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
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

module "chroma" {
  source = "./chroma"

  name                     = "chroma"
  chroma_version           = "1.5.9"
  machine_type             = "Standard_B2s_v2"
  architecture             = "x86_64"
  resource_group_name      = var.resource_group_name
  location                 = var.location
  zone                     = var.zone
  subnet_id                = var.subnet_id
  allowed_cidrs            = var.allowed_cidrs
  ssh_public_key           = var.ssh_public_key
  start_minutes            = 15
  chroma_otel_service_name = "chromadb"
  chroma_otel_granularity  = "operation"
  disk_size                = 32
  snapshots_kept           = 7
  log_retention_days       = 30
}

# For a state from before the module: keeps the data.
moved {
  from = azurerm_managed_disk.data
  to   = module.chroma.azurerm_managed_disk.data
}
