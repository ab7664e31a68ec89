# The machine's journal, with what boot and containers say: rsyslog hands it to Azure Monitor's agent.

resource "azurerm_log_analytics_workspace" "logs" {
  name                         = var.name
  resource_group_name          = local.resource_group
  location                     = local.location
  sku                          = "PerGB2018"
  retention_in_days            = var.log_retention_days
  local_authentication_enabled = false # nobody writes with the workspace's key
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
      facility_names = ["daemon"] # systemd's units
      log_levels     = ["Info", "Notice", "Warning", "Error", "Critical", "Alert", "Emergency"]
    }

    syslog {
      name           = "kernel"
      streams        = ["Microsoft-Syslog"]
      facility_names = ["kern"] # disks, and who ran out of memory
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
  type_handler_version        = "1.40" # or newer: before it, Debian 12 on Arm is refused
  auto_upgrade_minor_version  = true
  automatic_upgrade_enabled   = true
  failure_suppression_enabled = true # Chroma serves without it, and the next `apply` is not in its way
  tags                        = local.tags

  settings = jsonencode({
    authentication = {
      managedIdentity = {
        identifier-name  = "mi_res_id"
        identifier-value = azurerm_user_assigned_identity.machine.id
      }
    }
  })

  # Gone before it: Azure takes no extension from a machine that is switched off.
  depends_on = [azurerm_virtual_machine_data_disk_attachment.data]
}
