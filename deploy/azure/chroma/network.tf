# No public address, only allowed clients. The network interface is a separate resource, so its
# address stays when the machine is replaced.

resource "azurerm_network_interface" "chroma" {
  name                = var.name
  resource_group_name = local.resource_group
  location            = local.location
  tags                = local.tags

  ip_configuration {
    name                          = "chroma"
    subnet_id                     = var.subnet_id
    private_ip_address_allocation = "Dynamic" # stays until the interface is deleted
  }
}

resource "azurerm_network_security_group" "chroma" {
  name                = var.name
  resource_group_name = local.resource_group
  location            = local.location
  tags                = local.tags
}

resource "azurerm_network_interface_security_group_association" "chroma" {
  network_interface_id      = azurerm_network_interface.chroma.id
  network_security_group_id = azurerm_network_security_group.chroma.id

  # The rules first: Azure's default rules allow the whole virtual network.
  depends_on = [
    azurerm_network_security_rule.clients,
    azurerm_network_security_rule.nobody_else,
  ]
}

resource "azurerm_network_security_rule" "clients" {
  name                        = "clients"
  description                 = "Clients of Chroma"
  resource_group_name         = local.resource_group
  network_security_group_name = azurerm_network_security_group.chroma.name
  priority                    = 1000
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefixes     = var.allowed_cidrs
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = "8000"
}

resource "azurerm_network_security_rule" "ssh" {
  count = var.ssh_cidr == "" ? 0 : 1

  name                        = "ssh"
  description                 = "Sessions through Bastion or az ssh"
  resource_group_name         = local.resource_group
  network_security_group_name = azurerm_network_security_group.chroma.name
  priority                    = 1010
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefix       = var.ssh_cidr
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = "22"
}

resource "azurerm_network_security_rule" "nobody_else" {
  name                        = "nobody-else"
  description                 = "Deny all others, including the virtual network"
  resource_group_name         = local.resource_group
  network_security_group_name = azurerm_network_security_group.chroma.name
  priority                    = 4096
  direction                   = "Inbound"
  access                      = "Deny"
  protocol                    = "*"
  source_address_prefix       = "*"
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = "*"
}
