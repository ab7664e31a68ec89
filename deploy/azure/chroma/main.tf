# Chroma 1.5.9 on one Azure virtual machine with traces to
# Azure Monitor, Application Insights.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
#
#   storage.tf      the data disk, its lock, its snapshots
#   network.tf      the address and the allowed clients
#   insights.tf     Application Insights for the traces
#   permissions.tf  permissions of the machine
#   machine.tf      the machine and its files
#   logs.tf         the machine's journal
#   alarms.tf       optional alarms

# Not managed by Terraform: `terraform destroy` keeps it and the data in it.
data "azurerm_resource_group" "chroma" {
  name = var.resource_group_name
}

# The newest Debian 13: the next `apply` after a release replaces the machine and keeps the data.
data "azurerm_platform_image" "debian" {
  location  = var.location
  publisher = "Debian"
  offer     = "debian-13"
  sku       = var.architecture == "arm64" ? "13-arm64" : "13-gen2"
}

# See ../README.md, "Build", to create it and its images.
data "azurerm_container_registry" "images" {
  name                = "chroma${split("-", local.subscription)[0]}"
  resource_group_name = local.resource_group
}

locals {
  resource_group = data.azurerm_resource_group.chroma.name
  subscription   = split("/", data.azurerm_resource_group.chroma.id)[2]
  location       = var.location
  zone           = var.zone == "" ? null : var.zone
  registry       = data.azurerm_container_registry.images.login_server

  machine_id = "${data.azurerm_resource_group.chroma.id}/providers/Microsoft.Compute/virtualMachines/${var.name}"
  client_id  = azurerm_user_assigned_identity.machine.client_id
  alarms     = var.action_group_id != ""

  # A disk from a snapshot is a new disk next to the previous one.
  data_disk = var.snapshot_id == "" ? "${var.name}-data" : "${var.name}-data-${substr(sha1(var.snapshot_id), 0, 8)}"

  tags = { chroma-otel-deploy = var.name }
}
