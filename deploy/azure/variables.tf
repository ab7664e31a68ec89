# Values that the spec lacks. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "subscription_id" {
  description = "ID of the subscription."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "Must be the ID of a subscription, in lower case: az account show --query id."
  }
}

variable "resource_group_name" {
  description = "Name of an existing resource group."
  type        = string
}

variable "location" {
  description = "Region of the subnet."
  type        = string
}

variable "zone" {
  description = "Availability zone, or blank in a region without zones. The data disk is in this zone and cannot move: see the root's README.md."
  type        = string
}

variable "subnet_id" {
  description = "ID of the machine's subnet. It must reach the registry and the backend (through a NAT gateway)."
  type        = string
}

variable "allowed_cidrs" {
  description = "Address ranges of allowed clients (/8 or narrower)."
  type        = list(string)
}

variable "ssh_public_key" {
  description = "Public SSH key, which Azure requires."
  type        = string
}
