# Chroma 1.5.9 on one virtual machine in Azure, its traces to Azure Monitor, Application Insights.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
#
#   storage.tf      the disk with the data, its lock, its snapshots
#   network.tf      the address, and who may connect
#   secrets.tf      keys, and where they are kept
#   insights.tf     where the traces go
#   permissions.tf  what the machine may do
#   machine.tf      the machine, and what is written to it
#   logs.tf         where the machine's journal goes
#   alarms.tf       on request

# Yours, and not Terraform's: `terraform destroy` leaves it, and the data in it.
data "azurerm_resource_group" "chroma" {
  name = var.resource_group_name
}

# Debian 12, the newest: an `apply` after its release replaces the machine and keeps the data.
data "azurerm_platform_image" "debian" {
  location  = var.location
  publisher = "Debian"
  offer     = "debian-12"
  sku       = var.architecture == "arm64" ? "12-arm64" : "12-gen2"
}

# README.md says how to make it, and the images in it, under "Build".
data "azurerm_container_registry" "images" {
  name                = "${replace(var.name, "-", "")}${split("-", var.subscription_id)[0]}"
  resource_group_name = local.resource_group
}

locals {
  resource_group = data.azurerm_resource_group.chroma.name
  location       = var.location
  zone           = var.zone == "" ? null : var.zone
  registry       = data.azurerm_container_registry.images.login_server

  machine_id = "${data.azurerm_resource_group.chroma.id}/providers/Microsoft.Compute/virtualMachines/${var.name}"
  client_id  = azurerm_user_assigned_identity.machine.client_id
  alarms     = var.action_group_id != ""

  # One that is made from a snapshot is another disk, beside the one before it.
  data_disk = var.snapshot_id == "" ? "${var.name}-data" : "${var.name}-data-${substr(sha1(var.snapshot_id), 0, 8)}"

  tags = { chroma-otel-deploy = var.name }
}
