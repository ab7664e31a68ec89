# Data: outlives the machine and the deployment.

resource "azurerm_managed_disk" "data" {
  name                          = local.data_disk
  resource_group_name           = local.resource_group
  location                      = local.location
  zone                          = local.zone
  storage_account_type          = "Premium_LRS"
  disk_size_gb                  = var.disk_size
  create_option                 = var.snapshot_id == "" ? "Empty" : "Copy"
  source_resource_id            = var.snapshot_id == "" ? null : var.snapshot_id
  network_access_policy         = "DenyAll" # nobody downloads it
  public_network_access_enabled = false
  tags                          = local.tags

  lifecycle {
    prevent_destroy = true # README.md says how, under "Delete" and "Back up, restore, move"
  }
}

# Holds for everybody, not only for Terraform. The machine may still let go of the disk.
resource "azurerm_management_lock" "data" {
  name       = "chroma-data"
  scope      = azurerm_managed_disk.data.id
  lock_level = "CanNotDelete"
  notes      = "The data of Chroma (${var.name})."

  # Gone before it: a lock keeps what is granted on its disk from being taken back, too.
  depends_on = [azurerm_role_assignment.backup_reads_disk]
}

# Snapshots in this resource group, every night.
resource "azurerm_data_protection_backup_vault" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name                = "${var.name}-backup"
  resource_group_name = local.resource_group
  location            = local.location
  datastore_type      = "VaultStore" # where no snapshot goes: they stay beside the disk
  redundancy          = "LocallyRedundant"
  tags                = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_data_protection_backup_policy_disk" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name                            = "daily-${var.snapshots_kept}" # none can be changed
  vault_id                        = azurerm_data_protection_backup_vault.data[0].id
  backup_repeating_time_intervals = ["R/2024-01-01T03:00:00+00:00/P1D"]
  default_retention_duration      = "P${var.snapshots_kept}D"

  lifecycle {
    create_before_destroy = true # the disk is never without one
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

  # It is refused until the vault's roles are known everywhere, which takes minutes: those of the boot.
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
