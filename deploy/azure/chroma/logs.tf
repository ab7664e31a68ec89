# The machine's journal, with boot and containers. rsyslog forwards it to Azure Monitor's agent.

resource "azurerm_log_analytics_workspace" "logs" {
  name                         = var.name
  resource_group_name          = local.resource_group
  location                     = local.location
  sku                          = "PerGB2018"
  retention_in_days            = var.log_retention_days
  local_authentication_enabled = false # no writes with the workspace's key
  tags                         = local.tags
}

resource "azurerm_monitor_data_collection_rule" "logs" {
  name                = var.name
  resource_group_name = local.resource_group
  location            = local.location
  kind                = "Linux"
  tags                = local.tags

  data_sources {
    syslog {
      name           = "units"
      streams        = ["Microsoft-Syslog"]
      facility_names = ["daemon"] # systemd units
      log_levels     = ["Info", "Notice", "Warning", "Error", "Critical", "Alert", "Emergency"]
    }

    syslog {
      name           = "kernel"
      streams        = ["Microsoft-Syslog"]
      facility_names = ["kern"] # disk errors and lack of memory
      log_levels     = ["Warning", "Error", "Critical", "Alert", "Emergency"]
    }
  }

  destinations {
    log_analytics {
      name                  = "workspace"
      workspace_resource_id = azurerm_log_analytics_workspace.logs.id
    }
  }

  data_flow {
    streams      = ["Microsoft-Syslog"]
    destinations = ["workspace"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "logs" {
  name                    = "chroma"
  target_resource_id      = azurerm_linux_virtual_machine.chroma.id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.logs.id
}

resource "azurerm_virtual_machine_extension" "logs" {
  name                        = "AzureMonitorLinuxAgent"
  virtual_machine_id          = azurerm_linux_virtual_machine.chroma.id
  publisher                   = "Microsoft.Azure.Monitor"
  type                        = "AzureMonitorLinuxAgent"
  type_handler_version        = "1.40" # Azure installs the newest 1.x
  auto_upgrade_minor_version  = true
  automatic_upgrade_enabled   = true
  failure_suppression_enabled = true # Chroma works without it, and the next `apply` retries
  tags                        = local.tags

  settings = jsonencode({
    authentication = {
      managedIdentity = {
        identifier-name  = "mi_res_id"
        identifier-value = azurerm_user_assigned_identity.machine.id
      }
    }
  })

  # Deleted before the shutdown: Azure removes extensions only from a running machine.
  depends_on = [azapi_resource_action.shutdown]
}
