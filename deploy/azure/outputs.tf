output "address" {
  description = "Address of Chroma for clients in the network; stays when the machine is replaced"
  value       = "http://${azurerm_network_interface.chroma.private_ip_address}:8000"
}

output "open_session" {
  description = "Command for a shell on the machine, from addresses in ssh_cidr"
  value       = "az ssh vm --subscription ${var.subscription_id} --resource-group ${local.resource_group} --name ${var.name} --prefer-private-ip"
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

output "data_disk" {
  description = "The data disk"
  value       = azurerm_managed_disk.data.id
}

output "workspace" {
  description = "Logs of Chroma, the collector and the boot: the table Syslog of this workspace"
  value       = azurerm_log_analytics_workspace.logs.workspace_id
}
