# Application Insights in the workspace of the logs. The state contains its connection string, which
# allows sending to this resource, but no reading.

resource "azurerm_application_insights" "traces" {
  name                = var.name
  resource_group_name = local.resource_group
  location            = local.location
  workspace_id        = azurerm_log_analytics_workspace.logs.id
  application_type    = "other"
  tags                = local.tags
}

resource "azurerm_key_vault_secret" "applicationinsights_connection_string" {
  name         = "APPLICATIONINSIGHTS-CONNECTION-STRING"
  key_vault_id = azurerm_key_vault.secrets.id
  value        = azurerm_application_insights.traces.connection_string
  tags         = local.tags
}

locals {
  applicationinsights_connection_string_id = azurerm_key_vault_secret.applicationinsights_connection_string.versionless_id
}
