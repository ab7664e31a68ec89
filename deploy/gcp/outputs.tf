# Outputs of the module. Written by chroma-otel-deploy: change the spec and run `gen` again.

output "address" {
  description = "Address of Chroma for clients in the network; stays when the machine is replaced"
  value       = module.chroma.address
}

output "data_disk" {
  description = "The data disk"
  value       = module.chroma.data_disk
}

output "instance_id" {
  description = "The machine"
  value       = module.chroma.instance_id
}

output "ip_address" {
  description = "Internal IP address"
  value       = module.chroma.ip_address
}

output "log_bucket" {
  description = "Logs of Chroma, the collector and the boot"
  value       = module.chroma.log_bucket
}

output "open_session" {
  description = "Command for a shell on the machine, through Identity-Aware Proxy"
  value       = module.chroma.open_session
}

output "service_account_email" {
  description = "The service account of the machine; the firewall rules apply to it"
  value       = module.chroma.service_account_email
}

output "traces" {
  description = "Location of the traces"
  value       = module.chroma.traces
}
