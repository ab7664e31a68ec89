# Chroma 1.5.9: input variables. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "name" {
  description = "Name of the deployment and of its machine; prefix of other names."
  type        = string

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){0,39}$", var.name))
    error_message = "Must be at most 40 lowercase letters, digits and hyphens, begin with a letter, and not contain two hyphens in a row or end with a hyphen."
  }
}

variable "chroma_version" {
  description = "Chroma release. The registry must contain its image with the entrypoint."
  type        = string
  default     = "1.5.9"

  validation {
    condition     = can(regex("^1\\.\\d+\\.\\d+$", var.chroma_version))
    error_message = "Must be a release that these files support, such as 1.5.9."
  }
}

variable "machine_type" {
  description = "At least 4 GiB of memory, for Chroma, the collector and the system."
  type        = string
  default     = "Standard_B2s_v2"

  validation {
    condition     = can(regex("^Standard_([A-Z]+[0-9]+(-[0-9]+)?[a-z]*s[a-z]*|[A-Z]+S[0-9]+(-[0-9]+)?)(_[A-Za-z0-9]+)*$", var.machine_type))
    error_message = "Must be a size with premium disks, which has an s in its name, such as Standard_B2s_v2."
  }
}

variable "architecture" {
  description = "Architecture of the size, which selects the system image."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be arm64 or x86_64."
  }
}

variable "resource_group_name" {
  description = "Name of an existing resource group."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]$", var.resource_group_name))
    error_message = "Must be the name of a resource group."
  }
}

variable "location" {
  description = "Region of the subnet."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location)) && !can(regex("^(usgov|usdod|china)", var.location))
    error_message = "Must be a region of Azure's public cloud such as westeurope."
  }
}

variable "zone" {
  description = "Availability zone, or blank in a region without zones. The data disk is in this zone and cannot move: see the root's README.md."
  type        = string

  validation {
    condition     = can(regex("^[1-3]?$", var.zone))
    error_message = "Must be 1, 2, 3 or blank."
  }
}

variable "subnet_id" {
  description = "ID of the machine's subnet. It must reach the registry and the backend (through a NAT gateway)."
  type        = string

  validation {
    condition     = can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.subnet_id))
    error_message = "Must be the full ID of a subnet: /subscriptions/…/subnets/…"
  }
}

variable "allowed_cidrs" {
  description = "Address ranges of allowed clients (/8 or narrower)."
  type        = list(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for range in var.allowed_cidrs : can(regex("^[0-9.]+/([89]|[12]\\d|3[0-2])$", range)) && try(cidrsubnet(range, 0, 0) == range, false)])
    error_message = "Must be address ranges in canonical form, /8 or narrower, such as 10.0.0.0/16."
  }
}

variable "ssh_cidr" {
  description = "Address range of allowed SSH clients, such as that of AzureBastionSubnet; blank disables SSH."
  type        = string
  default     = ""

  validation {
    condition     = var.ssh_cidr == "" || can(regex("^[0-9.]+/([89]|[12]\\d|3[0-2])$", var.ssh_cidr)) && try(cidrsubnet(var.ssh_cidr, 0, 0) == var.ssh_cidr, false)
    error_message = "Must be an address range in canonical form, /8 or narrower, such as 10.0.255.0/26."
  }
}

variable "ssh_public_key" {
  description = "Public SSH key, which Azure requires."
  type        = string

  validation {
    condition     = can(regex("^ssh-(rsa|ed25519) AAAA[A-Za-z0-9+/=]+( [^\\r\\n]*)?$", var.ssh_public_key))
    error_message = "Must be the line of a .pub file: ssh-rsa AAAA… or ssh-ed25519 AAAA…"
  }
}

variable "start_minutes" {
  description = "Minutes until Chroma must respond on a new machine. Raise it before an upgrade that migrates much data."
  type        = number
  default     = 15

  validation {
    condition     = var.start_minutes >= 10 && var.start_minutes <= 1440 && floor(var.start_minutes) == var.start_minutes
    error_message = "Must be a whole number from 10 to 1440."
  }
}

variable "chroma_otel_service_name" {
  description = "Service name in the spans, one line."
  type        = string
  default     = "chromadb"

  validation {
    condition     = can(regex("^[^\\r\\n]*\\S[^\\r\\n]*$", var.chroma_otel_service_name))
    error_message = "Must be one line and not blank."
  }
}

variable "chroma_otel_granularity" {
  description = "Level of detail of the traces."
  type        = string
  default     = "operation"

  validation {
    condition     = contains(["none", "operation", "operation_and_segment", "all"], var.chroma_otel_granularity)
    error_message = "Must be one of none, operation, operation_and_segment, all."
  }
}

variable "disk_size" {
  description = "Size of the data disk in GiB, billed as the next of 4, 8, 16, 32, 64, 128, …. It can only grow; the file system follows."
  type        = number
  default     = 32

  validation {
    condition     = var.disk_size >= 1 && var.disk_size <= 32767 && floor(var.disk_size) == var.disk_size
    error_message = "Must be a whole number from 1 to 32767."
  }
}

variable "snapshot_id" {
  description = "Snapshot for a new data disk; blank creates an empty one. See the root's README.md."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Compute/snapshots/[^/]+)?$", var.snapshot_id))
    error_message = "Must be the full ID of a snapshot: /subscriptions/…/snapshots/…"
  }
}

variable "snapshots_kept" {
  description = "Number of daily snapshots of the data disk to keep; 0 disables them."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 365 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "Must be a whole number from 0 to 365."
  }
}

variable "log_retention_days" {
  description = "Retention of the logs in days."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "Must be a whole number from 30 to 730."
  }
}

variable "action_group_id" {
  description = "Action group for alarms; blank disables them."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[Mm]icrosoft.[Ii]nsights/actionGroups/[^/]+)?$", var.action_group_id))
    error_message = "Must be the full ID of an action group: /subscriptions/…/actionGroups/…"
  }
}
