output "address" {
  description = "Address of Chroma for clients in the network; stays when the machine is replaced"
  value       = "http://${azurerm_network_interface.chroma.private_ip_address}:8000"
}

output "ip_address" {
  description = "Private IP address of the machine"
  value       = azurerm_network_interface.chroma.private_ip_address
}

output "open_session" {
  description = "Command for a shell on the machine, from addresses in ssh_cidr"
  value       = "az ssh vm --subscription ${local.subscription} --resource-group ${local.resource_group} --name ${var.name} --prefer-private-ip"
}

output "traces" {
  description = "Location of the traces"
  value       = "https://portal.azure.com/#resource${azurerm_application_insights.traces.id}/searchV1"
}

output "connection_string" {
  description = "Address of Application Insights, for identities with the role Monitoring Metrics Publisher"
  value       = local.connection_string
}

output "machine" {
  description = "The machine"
  value       = azurerm_linux_virtual_machine.chroma.id
}

output "network_interface_id" {
  description = "The network interface, which keeps the address"
  value       = azurerm_network_interface.chroma.id
}

output "network_security_group_id" {
  description = "The security group of the network interface"
  value       = azurerm_network_security_group.chroma.id
}

output "identity" {
  description = "The identity of the machine"
  value = {
    id           = azurerm_user_assigned_identity.machine.id
    client_id    = azurerm_user_assigned_identity.machine.client_id
    principal_id = azurerm_user_assigned_identity.machine.principal_id
  }
}

output "data_disk" {
  description = "The data disk"
  value       = azurerm_managed_disk.data.id
}

output "workspace" {
  description = "Logs of Chroma, the collector and the boot: the table Syslog of this workspace"
  value       = azurerm_log_analytics_workspace.logs.workspace_id
}
