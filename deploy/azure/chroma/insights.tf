# Application Insights in the workspace of the logs. Only identities with the role "Monitoring
# Metrics Publisher" can send, so its connection string is an address and not a secret.

resource "azurerm_application_insights" "traces" {
  name                         = var.name
  resource_group_name          = local.resource_group
  location                     = local.location
  workspace_id                 = azurerm_log_analytics_workspace.logs.id
  application_type             = "other"
  local_authentication_enabled = false
  tags                         = local.tags
}

locals {
  connection_string = nonsensitive(azurerm_application_insights.traces.connection_string)
}
