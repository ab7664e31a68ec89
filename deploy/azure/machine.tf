# The machine. Azure restarts it when its host dies; one that is gone comes back with `terraform apply`, and finds the
# same disk.

resource "azurerm_linux_virtual_machine" "chroma" {
  name                  = var.name
  resource_group_name   = local.resource_group
  location              = local.location
  zone                  = local.zone
  size                  = var.machine_type
  network_interface_ids = [azurerm_network_interface.chroma.id]
  custom_data           = local.custom_data # another one makes a new machine
  tags                  = local.tags

  # Azure makes no machine without a key. Who may log in with it is for ssh_cidr to say.
  admin_username                  = "azureuser"
  disable_password_authentication = true

  admin_ssh_key {
    username   = "azureuser"
    public_key = var.ssh_public_key
  }

  # Trusted Launch, which Debian's image for Arm does not have.
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

  # `az ssh` asks for an identity of the machine's own; it may do nothing.
  identity {
    type         = var.ssh_cidr == "" ? "UserAssigned" : "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.machine.id]
  }

  boot_diagnostics {} # the console's output, with the boot's

  lifecycle {
    precondition {
      # Base64 makes four signs of three bytes.
      condition     = length(local.custom_data) * 3 / 4 <= 65535
      error_message = "The machine's custom data is over Azure's limit of 64 KiB."
    }
  }

  depends_on = [
    azurerm_network_interface_security_group_association.chroma,
    azurerm_role_assignment.machine,
  ]
}

# Boot waits for it.
resource "azurerm_virtual_machine_data_disk_attachment" "data" {
  virtual_machine_id = azurerm_linux_virtual_machine.chroma.id
  managed_disk_id    = azurerm_managed_disk.data.id
  lun                = 0 # the machine looks there
  caching            = "None"

  # Terraform takes the disk away before the machine: it is switched off in peace first, by Azure's CLI. All that
  # asks the agent on it depends on this, and so is gone by then.
  provisioner "local-exec" {
    when       = destroy
    on_failure = continue
    command    = "az vm stop --ids '${self.virtual_machine_id}'"
  }
}

# Made when Chroma is healthy on the machine; if it is not, `apply` fails, and the next one asks again.
resource "azurerm_virtual_machine_run_command" "healthy" {
  name               = "healthy"
  location           = local.location
  virtual_machine_id = azurerm_linux_virtual_machine.chroma.id
  tags               = local.tags

  source {
    script = "cloud-init status --wait >/dev/null; exec /etc/chroma-otel/boot outcome"
  }

  depends_on = [
    azurerm_monitor_data_collection_rule_association.logs, # then the logs say why
    azurerm_virtual_machine_data_disk_attachment.data,
    azurerm_virtual_machine_extension.logs,
  ]
}

# Sessions by `az ssh`, with one's own account.
resource "azurerm_virtual_machine_extension" "ssh" {
  count = var.ssh_cidr == "" ? 0 : 1

  name                        = "AADSSHLoginForLinux"
  virtual_machine_id          = azurerm_linux_virtual_machine.chroma.id
  publisher                   = "Microsoft.Azure.ActiveDirectory"
  type                        = "AADSSHLoginForLinux"
  type_handler_version        = "1.0"
  auto_upgrade_minor_version  = true
  failure_suppression_enabled = true # Chroma serves without it
  tags                        = local.tags

  depends_on = [azurerm_virtual_machine_extension.logs] # both install packages
}

# What is written to the machine. A value of a variable passes no shell: each of these files is a list of
# lines, which cloud-init gets in Base64. Blank lines are not there.
locals {
  machine_env = compact([
    "AZURE_CLIENT_ID=${local.client_id}",
    "AZURE_LOCATION=${local.location}",
    "MACHINE_ID=${local.machine_id}",
    "DATA_DISK=${local.data_disk}",
    "BOOT_SECONDS=900",
    "REGISTRY=${local.registry}",
    "CHROMA_IMAGE=${local.registry}/chroma/chroma:${var.chroma_version}-cb7e428362d7",
    "COLLECTOR_IMAGE=${local.registry}/chroma/otel-collector:0.158.0-cb7e428362d7",
    local.alarms ? "METRICS_NAMESPACE=Chroma" : "",
  ])

  chroma_env = compact([
    "# what the container of Chroma is given",
    "CHROMA_OTEL_COLLECTION_ENDPOINT=http://otel-collector:4317",
    "CHROMA_OTEL_SERVICE_NAME=${var.chroma_otel_service_name}",
    "CHROMA_OTEL_GRANULARITY=${var.chroma_otel_granularity}",
    "SQLITE_TMPDIR=/data",
  ])

  collector_env = compact([
    "GOMEMLIMIT=409MiB",
    "CHROMA_VERSION=${var.chroma_version}",
  ])

  secrets = compact([
    "# whose, which variable, and the secret that holds its value",
    "collector APPLICATIONINSIGHTS_CONNECTION_STRING ${local.applicationinsights_connection_string_id}",
  ])

  # Azure takes 64 KiB. Packed, these files are about 12 to 15, of 40 to 65; cloud-init unpacks them.
  custom_data = base64gzip(templatefile("${path.module}/cloud-config.yaml.tftpl", {
    machine_env   = base64encode(join("", [for line in local.machine_env : "${line}\n"]))
    chroma_env    = base64encode(join("", [for line in local.chroma_env : "${line}\n"]))
    collector_env = base64encode(join("", [for line in local.collector_env : "${line}\n"]))
    secrets       = base64encode(join("", [for line in local.secrets : "${line}\n"]))
  }))
}
