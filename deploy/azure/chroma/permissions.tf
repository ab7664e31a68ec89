# Permissions of the machine.

resource "azurerm_user_assigned_identity" "machine" {
  name                = var.name
  resource_group_name = local.resource_group
  location            = local.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "machine" {
  for_each = local.roles

  scope                = each.value.scope
  role_definition_name = each.value.name
  principal_id         = azurerm_user_assigned_identity.machine.principal_id
  principal_type       = "ServicePrincipal"
}

locals {
  roles = { for role in [
    { key = "images", name = "AcrPull", scope = data.azurerm_container_registry.images.id },
    { key = "traces", name = "Monitoring Metrics Publisher", scope = azurerm_application_insights.traces.id },
  ] : role.key => role if role != null }
}

# Publish the machine's metrics, for the alarms.
resource "azurerm_role_assignment" "publishes_metrics" {
  count = local.alarms ? 1 : 0

  scope                = azurerm_linux_virtual_machine.chroma.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.machine.principal_id
  principal_type       = "ServicePrincipal"
}
