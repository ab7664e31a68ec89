# The machine reads the secrets at boot and every ten minutes.

data "azurerm_client_config" "current" {}

resource "azurerm_key_vault" "secrets" {
  name                       = "${trimsuffix(substr(var.name, 0, 15), "-")}-${substr(sha1("${data.azurerm_resource_group.chroma.id} ${var.name}"), 0, 8)}"
  resource_group_name        = local.resource_group
  location                   = local.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  soft_delete_retention_days = 7
  purge_protection_enabled   = false # it contains only copies, and its name must be reusable
  tags                       = local.tags
}
