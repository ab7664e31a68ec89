# The machine. Azure restarts it if its host fails; `terraform apply` recreates a deleted one. The
# data disk stays the same.

resource "azurerm_linux_virtual_machine" "chroma" {
  #checkov:skip=CKV_AZURE_50:the extensions send the logs and authenticate SSH by Entra ID
  name                  = var.name
  resource_group_name   = local.resource_group
  location              = local.location
  zone                  = local.zone
  size                  = var.machine_type
  network_interface_ids = [azurerm_network_interface.chroma.id]
  custom_data           = local.custom_data # a change replaces the machine
  tags                  = local.tags

  # Azure requires a key. ssh_cidr limits its use.
  admin_username                  = "azureuser"
  disable_password_authentication = true

  admin_ssh_key {
    username   = "azureuser"
    public_key = var.ssh_public_key
  }

  # Trusted Launch, which Debian's Arm image does not support.
  secure_boot_enabled = var.architecture == "x86_64"
  vtpm_enabled        = var.architecture == "x86_64"

  source_image_reference {
    publisher = data.azurerm_platform_image.debian.publisher
    offer     = data.azurerm_platform_image.debian.offer
    sku       = data.azurerm_platform_image.debian.sku
    version   = data.azurerm_platform_image.debian.version
  }

  os_disk {
    storage_account_type = "StandardSSD_LRS"
    caching              = "ReadWrite"
  }

  # `az ssh` requires a system-assigned identity; it has no permissions.
  identity {
    type         = var.ssh_cidr == "" ? "UserAssigned" : "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.machine.id]
  }

  boot_diagnostics {} # the console's output, including the boot

  lifecycle {
    precondition {
      # Base64 encodes three bytes as four characters.
      condition     = length(local.custom_data) * 3 / 4 <= 65535
      error_message = "The machine's custom data exceeds Azure's limit of 64 KiB."
    }
  }

  depends_on = [
    azurerm_network_interface_security_group_association.chroma,
    azurerm_role_assignment.machine,
  ]
}

# The boot waits for this disk.
resource "azurerm_virtual_machine_data_disk_attachment" "data" {
  virtual_machine_id = azurerm_linux_virtual_machine.chroma.id
  managed_disk_id    = azurerm_managed_disk.data.id
  lun                = 0 # expected by the boot
  caching            = "None"
}

# Terraform detaches the disk before it deletes the machine, so this shuts the machine down first.
# Resources that use the machine's agent depend on it and are deleted earlier.
resource "azapi_resource_action" "shutdown" {
  type             = "Microsoft.Compute/virtualMachines@2024-11-01"
  resource_id      = azurerm_linux_virtual_machine.chroma.id
  action           = "powerOff" # waits for the system's shutdown
  when             = "destroy"
  ignore_not_found = true # deleted by hand

  depends_on = [azurerm_virtual_machine_data_disk_attachment.data]
}

# Created when Chroma is healthy on the machine; otherwise `apply` fails, and the next one checks
# again.
resource "azurerm_virtual_machine_run_command" "healthy" {
  name               = "healthy"
  location           = local.location
  virtual_machine_id = azurerm_linux_virtual_machine.chroma.id
  tags               = local.tags

  source {
    script = "cloud-init status --wait >/dev/null; exec /etc/chroma-otel/boot outcome ${var.start_minutes + 10}"
  }

  timeouts {
    create = "${var.start_minutes + 15}m"
    update = "${var.start_minutes + 15}m"
  }

  depends_on = [
    azapi_resource_action.shutdown,
    azurerm_monitor_data_collection_rule_association.logs, # the logs are available on failure
    azurerm_virtual_machine_extension.logs,
  ]
}

# Sessions with `az ssh` and a personal account.
resource "azurerm_virtual_machine_extension" "ssh" {
  count = var.ssh_cidr == "" ? 0 : 1

  name                        = "AADSSHLoginForLinux"
  virtual_machine_id          = azurerm_linux_virtual_machine.chroma.id
  publisher                   = "Microsoft.Azure.ActiveDirectory"
  type                        = "AADSSHLoginForLinux"
  type_handler_version        = "1.0"
  auto_upgrade_minor_version  = true
  failure_suppression_enabled = true # Chroma works without it
  tags                        = local.tags

  depends_on = [azurerm_virtual_machine_extension.logs] # both install packages
}

# Files of the machine. cloud-init receives the lines of each in Base64, so no value of a variable
# is interpreted by a shell. Blank lines are omitted.
locals {
  machine_env = compact([
    "AZURE_CLIENT_ID=${local.client_id}",
    "AZURE_LOCATION=${local.location}",
    "MACHINE_ID=${local.machine_id}",
    "DATA_DISK=${local.data_disk}",
    "BOOT_SECONDS=900",
    "CHROMA_IMAGE=${local.registry}/chroma/chroma:${var.chroma_version}-0752edc0ca34",
    "COLLECTOR_IMAGE=${local.registry}/chroma/otel-collector:0.158.0-0752edc0ca34",
    local.alarms ? "METRICS_NAMESPACE=Chroma" : "",
  ])

  chroma_env = compact([
    "# environment of Chroma's container",
    "CHROMA_OTEL_COLLECTION_ENDPOINT=http://otel-collector:4317",
    "CHROMA_OTEL_SERVICE_NAME=${var.chroma_otel_service_name}",
    "CHROMA_OTEL_GRANULARITY=${var.chroma_otel_granularity}",
    "SQLITE_TMPDIR=/data",
  ])

  collector_env = compact([
    "GOMEMLIMIT=409MiB",
    "AZURE_CLIENT_ID=${local.client_id}",
    "APPLICATIONINSIGHTS_CONNECTION_STRING=${local.connection_string}",
    "CHROMA_VERSION=${var.chroma_version}",
  ])

  secrets = compact([
    "# container, variable, and the secret that contains its value",
  ])

  # Compressed from 40 to 65 KiB to about 12 to 15 KiB, because Azure accepts 64 KiB.
  custom_data = base64gzip(templatefile("${path.module}/cloud-config.yaml.tftpl", {
    machine_env   = base64encode(join("", [for line in local.machine_env : "${line}\n"]))
    chroma_env    = base64encode(join("", [for line in local.chroma_env : "${line}\n"]))
    collector_env = base64encode(join("", [for line in local.collector_env : "${line}\n"]))
    secrets       = base64encode(join("", [for line in local.secrets : "${line}\n"]))
  }))
}
