# Chroma 1.5.9: what the module is given. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "name" {
  description = "Name of the deployment; of the machine, and what begins with it."
  type        = string
  default     = "chroma"

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){0,39}$", var.name))
    error_message = "Up to 40 small letters, digits and dashes, a letter first, no two dashes in a row, none at the end."
  }
}

variable "chroma_version" {
  description = "Release of Chroma. An image of it with the entrypoint must be in the registry."
  type        = string
  default     = "1.5.9"

  validation {
    condition     = can(regex("^1\\.\\d+\\.\\d+$", var.chroma_version))
    error_message = "A release that these files are for, such as 1.5.9."
  }
}

variable "machine_type" {
  description = "4 GiB of memory or more: Chroma's, the collector's, and the system's."
  type        = string
  default     = "Standard_B2s_v2"

  validation {
    condition     = can(regex("^Standard_([A-Z]+[0-9]+(-[0-9]+)?[a-z]*s[a-z]*|[A-Z]+S[0-9]+(-[0-9]+)?)(_[A-Za-z0-9]+)*$", var.machine_type))
    error_message = "A size that takes premium disks, with an s in its name: such as Standard_B2s_v2."
  }
}

variable "architecture" {
  description = "The size's; the system's image follows it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Either arm64 or x86_64."
  }
}

variable "subscription_id" {
  description = "The subscription that everything is in."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "A subscription's id, in small letters: az account show --query id."
  }
}

variable "resource_group_name" {
  description = "The resource group, which is there already."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]$", var.resource_group_name))
    error_message = "The name of a resource group."
  }
}

variable "location" {
  description = "The region, that of the subnet."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "A region such as westeurope."
  }
}

variable "zone" {
  description = "The availability zone, or blank in a region without zones. The data disk lives there and cannot move: see README.md."
  type        = string

  validation {
    condition     = can(regex("^[1-3]?$", var.zone))
    error_message = "1, 2, 3, or blank."
  }
}

variable "subnet_id" {
  description = "Where the machine is. The subnet needs a way out to the registry and the backend (a NAT gateway)."
  type        = string

  validation {
    condition     = can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.subnet_id))
    error_message = "A subnet's whole id: /subscriptions/…/subnets/…"
  }
}

variable "allowed_cidr" {
  description = "Who may connect, as a range of addresses (/8 or narrower)."
  type        = string

  validation {
    condition     = can(regex("^[0-9.]+/([89]|[12]\\d|3[0-2])$", var.allowed_cidr)) && try(cidrsubnet(var.allowed_cidr, 0, 0) == var.allowed_cidr, false)
    error_message = "A range of addresses by its first, /8 or narrower, such as 10.0.0.0/16."
  }
}

variable "ssh_cidr" {
  description = "Who may connect by SSH, as a range of addresses such as that of AzureBastionSubnet; blank is nobody."
  type        = string
  default     = ""

  validation {
    condition     = var.ssh_cidr == "" || can(regex("^[0-9.]+/([89]|[12]\\d|3[0-2])$", var.ssh_cidr)) && try(cidrsubnet(var.ssh_cidr, 0, 0) == var.ssh_cidr, false)
    error_message = "A range of addresses by its first, /8 or narrower, such as 10.0.255.0/26."
  }
}

variable "ssh_public_key" {
  description = "A public SSH key, without which Azure makes no machine."
  type        = string

  validation {
    condition     = can(regex("^ssh-(rsa|ed25519) AAAA[A-Za-z0-9+/=]+( [^\\r\\n]*)?$", var.ssh_public_key))
    error_message = "The one line of a .pub file: ssh-rsa AAAA… or ssh-ed25519 AAAA…"
  }
}

variable "chroma_otel_service_name" {
  description = "The name the spans carry, one line."
  type        = string
  default     = "chromadb"

  validation {
    condition     = can(regex("^[^\\r\\n]*\\S[^\\r\\n]*$", var.chroma_otel_service_name))
    error_message = "One line, not blank."
  }
}

variable "chroma_otel_granularity" {
  description = "How much detail the traces have."
  type        = string
  default     = "operation"

  validation {
    condition     = contains(["none", "operation", "operation_and_segment", "all"], var.chroma_otel_granularity)
    error_message = "One of none, operation, operation_and_segment, all."
  }
}

variable "disk_size" {
  description = "GiB of the data disk, which is paid as the next of 4, 8, 16, 32, 64, 128, …. It can grow, with the file system, not shrink."
  type        = number
  default     = 32

  validation {
    condition     = var.disk_size >= 1 && var.disk_size <= 32767 && floor(var.disk_size) == var.disk_size
    error_message = "A whole number from 1 to 32767."
  }
}

variable "snapshot_id" {
  description = "Snapshot that a new data disk is made from; blank makes an empty one. See README.md."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Compute/snapshots/[^/]+)?$", var.snapshot_id))
    error_message = "A snapshot's whole id: /subscriptions/…/snapshots/…"
  }
}

variable "snapshots_kept" {
  description = "How many daily snapshots of the data disk are kept; 0 makes none."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 365 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "A whole number from 0 to 365."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "A whole number from 30 to 730."
  }
}

variable "action_group_id" {
  description = "Action group for alarms; blank makes none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[Mm]icrosoft.[Ii]nsights/actionGroups/[^/]+)?$", var.action_group_id))
    error_message = "An action group's whole id: /subscriptions/…/actionGroups/…"
  }
}
