# Data: outlives the machine and the deployment.

resource "azurerm_managed_disk" "data" {
  #checkov:skip=CKV_AZURE_93:encrypted by a key of Azure; set `machine.kms_key` for your own
  name                          = local.data_disk
  resource_group_name           = local.resource_group
  location                      = local.location
  zone                          = local.zone
  storage_account_type          = "Premium_LRS"
  disk_size_gb                  = var.disk_size
  create_option                 = var.snapshot_id == "" ? "Empty" : "Copy"
  source_resource_id            = var.snapshot_id == "" ? null : var.snapshot_id
  network_access_policy         = "DenyAll" # no downloads
  public_network_access_enabled = false
  tags                          = local.tags

  lifecycle {
    prevent_destroy = true # see ../README.md, "Delete" and "Back up, restore, move"
  }
}

# Prevents deletion by any user, not only by Terraform. The disk can still be detached.
resource "azurerm_management_lock" "data" {
  name       = "chroma-data"
  scope      = azurerm_managed_disk.data.id
  lock_level = "CanNotDelete"
  notes      = "The data of Chroma (${var.name})."

  # Deleted first: the lock also prevents the removal of role assignments on the disk.
  depends_on = [azurerm_role_assignment.backup_reads_disk]
}

# Nightly snapshots in this resource group.
resource "azurerm_data_protection_backup_vault" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name                = "${var.name}-backup"
  resource_group_name = local.resource_group
  location            = local.location
  datastore_type      = "VaultStore" # not used: snapshots are stored with the disk
  redundancy          = "LocallyRedundant"
  tags                = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_data_protection_backup_policy_disk" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name                            = "daily-${var.snapshots_kept}" # policies are immutable
  vault_id                        = azurerm_data_protection_backup_vault.data[0].id
  backup_repeating_time_intervals = ["R/2024-01-01T03:00:00+00:00/P1D"]
  default_retention_duration      = "P${var.snapshots_kept}D"

  lifecycle {
    create_before_destroy = true # the disk always has a policy
  }
}

resource "azurerm_data_protection_backup_instance_disk" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name                         = local.data_disk
  location                     = local.location
  vault_id                     = azurerm_data_protection_backup_vault.data[0].id
  disk_id                      = azurerm_managed_disk.data.id
  snapshot_resource_group_name = local.resource_group
  backup_policy_id             = azurerm_data_protection_backup_policy_disk.data[0].id

  # Fails until the vault's roles apply, which takes minutes. The boot takes longer.
  depends_on = [
    azurerm_role_assignment.backup_reads_disk,
    azurerm_role_assignment.backup_makes_snapshots,
    azurerm_virtual_machine_run_command.healthy,
  ]
}

resource "azurerm_role_assignment" "backup_reads_disk" {
  count = var.snapshots_kept > 0 ? 1 : 0

  scope                = azurerm_managed_disk.data.id
  role_definition_name = "Disk Backup Reader"
  principal_id         = azurerm_data_protection_backup_vault.data[0].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "backup_makes_snapshots" {
  count = var.snapshots_kept > 0 ? 1 : 0

  scope                = data.azurerm_resource_group.chroma.id
  role_definition_name = "Disk Snapshot Contributor"
  principal_id         = azurerm_data_protection_backup_vault.data[0].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}
