# Chroma 1.5.9: input variables. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "name" {
  description = "Name of the deployment and of its machine, unique in the project; prefix of other names and value of labels."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$", var.name))
    error_message = "Must be at most 22 lowercase letters, digits and hyphens, begin with a letter, and not end with a hyphen."
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
  default     = "e2-medium"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)+$", var.machine_type))
    error_message = "Must be a machine type such as e2-medium."
  }
}

variable "architecture" {
  description = "Architecture of the machine type, which selects the system image."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be arm64 or x86_64."
  }
}

variable "project_id" {
  description = "ID of the project, not its name or number."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Must be a project ID: 6 to 30 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "enable_apis" {
  description = "True if the module enables the Google services that it needs."
  type        = bool
  default     = true
}

variable "zone" {
  description = "Zone of the machine and the disk; it also determines the region. The disk cannot move: see the root's README.md."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "Must be a zone such as europe-west3-a."
  }
}

variable "network" {
  description = "Name of the VPC network in the same project."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.network))
    error_message = "Must be the name of a network, such as default, not its URL."
  }
}

variable "subnet" {
  description = "Name of the subnet in the zone's region. It must reach packages, the registry and the backend (through Cloud NAT). A change creates a new address."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.subnet))
    error_message = "Must be the name of a subnet, not its URL."
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

variable "chroma_otel_collection_endpoint" {
  description = "The backend's OTLP endpoint."
  type        = string
  default     = "https://telemetry.googleapis.com/v1/traces"

  validation {
    condition     = can(regex("^\\S+$", var.chroma_otel_collection_endpoint))
    error_message = "Must be an endpoint without spaces, such as https://otlp.example.com:443."
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

variable "chroma_otel_collection_headers" {
  description = "Additional headers for the backend, as a JSON object or as k=v,k2=v2 (stored in Secret Manager)."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = can(regex("^[^\\r\\n]*$", var.chroma_otel_collection_headers))
    error_message = "Must be one line."
  }

  validation {
    condition     = (var.chroma_otel_collection_headers == "") != (var.chroma_otel_collection_headers_version > 0 && var.chroma_otel_collection_headers_secret_id == "")
    error_message = "A value requires chroma_otel_collection_headers_version = 1 and no chroma_otel_collection_headers_secret_id. From version 1 on, every run of Terraform requires the value."
  }
}

variable "chroma_otel_collection_headers_version" {
  description = "Version of the value, 0 without a value. Increase it when you change chroma_otel_collection_headers, because Terraform cannot detect the change."
  type        = number
  default     = 0

  validation {
    condition     = var.chroma_otel_collection_headers_version >= 0 && floor(var.chroma_otel_collection_headers_version) == var.chroma_otel_collection_headers_version
    error_message = "Must be a whole number from 0."
  }
}

variable "chroma_otel_collection_headers_secret_id" {
  description = "The name of an existing secret, projects/PROJECT/secrets/NAME, instead of chroma_otel_collection_headers."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]{1,255})?$", var.chroma_otel_collection_headers_secret_id))
    error_message = "Must be the name of a secret, projects/PROJECT/secrets/NAME, without a version."
  }
}

variable "disk_size" {
  description = "Size of the data disk in GiB. It can only grow; the file system follows."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_size >= 10 && var.disk_size <= 65536 && floor(var.disk_size) == var.disk_size
    error_message = "Must be a whole number from 10 to 65536."
  }
}

variable "snapshot" {
  description = "Name of the snapshot for a new data disk; blank creates an empty one. See the root's README.md."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$", var.snapshot))
    error_message = "Must be the name of a snapshot, not its URL."
  }
}

variable "snapshots_kept" {
  description = "Number of daily snapshots of the data disk to keep; 0 disables them."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 1000 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "Must be a whole number from 0 to 1000."
  }
}

variable "log_retention_days" {
  description = "Retention of the logs in days."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "Must be a whole number from 1 to 3650."
  }
}

variable "notification_channel" {
  description = "Notification channel for alarms; blank disables them."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[a-z0-9-]+/notificationChannels/[0-9]+)?$", var.notification_channel))
    error_message = "Must be the name of a notification channel: projects/…/notificationChannels/…"
  }
}
