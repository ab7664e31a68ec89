# Outputs of the module. Written by chroma-otel-deploy: change the spec and run `gen` again.

output "address" {
  description = "Address of Chroma for clients in the network; stays when the machine is replaced"
  value       = module.chroma.address
}

output "connection_string" {
  description = "Address of Application Insights, for identities with the role Monitoring Metrics Publisher"
  value       = module.chroma.connection_string
}

output "data_disk" {
  description = "The data disk"
  value       = module.chroma.data_disk
}

output "identity" {
  description = "The identity of the machine"
  value       = module.chroma.identity
}

output "ip_address" {
  description = "Private IP address of the machine"
  value       = module.chroma.ip_address
}

output "machine" {
  description = "The machine"
  value       = module.chroma.machine
}

output "network_interface_id" {
  description = "The network interface, which keeps the address"
  value       = module.chroma.network_interface_id
}

output "network_security_group_id" {
  description = "The security group of the network interface"
  value       = module.chroma.network_security_group_id
}

output "open_session" {
  description = "Command for a shell on the machine, from addresses in ssh_cidr"
  value       = module.chroma.open_session
}

output "traces" {
  description = "Location of the traces"
  value       = module.chroma.traces
}

output "workspace" {
  description = "Logs of Chroma, the collector and the boot: the table Syslog of this workspace"
  value       = module.chroma.workspace
}
