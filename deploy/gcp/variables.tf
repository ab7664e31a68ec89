# Chroma 1.5.9: what the module is given. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "name" {
  description = "Name of the deployment; of the machine, the labels, and what begins with it."
  type        = string
  default     = "chroma"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$", var.name))
    error_message = "Up to 22 small letters, digits and dashes, a letter first, no dash last."
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
  default     = "e2-medium"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)+$", var.machine_type))
    error_message = "A machine type such as e2-medium."
  }
}

variable "architecture" {
  description = "The machine type's; the system's image follows it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Either arm64 or x86_64."
  }
}

variable "project_id" {
  description = "The project's id, not its name or number."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project's id: 6 to 30 small letters, digits and dashes, a letter first."
  }
}

variable "zone" {
  description = "Where machine and disk are; the region is its. The disk cannot move: see README.md."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "A zone such as europe-west3-a."
  }
}

variable "network" {
  description = "The VPC network's name, of the same project."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.network))
    error_message = "A network's name, such as default: not its address."
  }
}

variable "subnet" {
  description = "The subnet's name, in the zone's region. It needs a way out to the packages, the registry and the backend (Cloud NAT). Another makes another address."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.subnet))
    error_message = "A subnet's name: not its address."
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

variable "chroma_otel_collection_endpoint" {
  description = "Where the traces end up: the backend's OTLP endpoint."
  type        = string
  default     = "https://telemetry.googleapis.com/v1/traces"

  validation {
    condition     = can(regex("^\\S+$", var.chroma_otel_collection_endpoint))
    error_message = "An endpoint without spaces such as https://otlp.example.com:443."
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

variable "chroma_otel_collection_headers" {
  description = "More headers for the backend, as a JSON object or as k=v,k2=v2 (to be kept in Secret Manager)."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = can(regex("^[^\\r\\n]*$", var.chroma_otel_collection_headers))
    error_message = "One line."
  }

  validation {
    condition     = (var.chroma_otel_collection_headers == "") != (var.chroma_otel_collection_headers_version > 0 && var.chroma_otel_collection_headers_secret_id == "")
    error_message = "A value needs chroma_otel_collection_headers_version = 1 and no chroma_otel_collection_headers_secret_id; from version 1 on it is needed whenever Terraform runs."
  }
}

variable "chroma_otel_collection_headers_version" {
  description = "Counts the values, 0 when there is none: Terraform does not see that chroma_otel_collection_headers has changed. Raise it by 1."
  type        = number
  default     = 0

  validation {
    condition     = var.chroma_otel_collection_headers_version >= 0 && floor(var.chroma_otel_collection_headers_version) == var.chroma_otel_collection_headers_version
    error_message = "A whole number from 0."
  }
}

variable "chroma_otel_collection_headers_secret_id" {
  description = "Instead of chroma_otel_collection_headers, the name of a secret that exists, projects/PROJECT/secrets/NAME."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]{1,255})?$", var.chroma_otel_collection_headers_secret_id))
    error_message = "A secret's name, projects/PROJECT/secrets/NAME, without a version."
  }
}

variable "disk_size" {
  description = "GiB of the data disk. It can grow, with the file system, not shrink."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_size >= 10 && var.disk_size <= 65536 && floor(var.disk_size) == var.disk_size
    error_message = "A whole number from 10 to 65536."
  }
}

variable "snapshot" {
  description = "Name of the snapshot that a new data disk is made from; blank makes an empty one. See README.md."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$", var.snapshot))
    error_message = "A snapshot's name: not its address."
  }
}

variable "snapshots_kept" {
  description = "How many daily snapshots of the data disk are kept; 0 makes none."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 1000 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "A whole number from 0 to 1000."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "A whole number from 1 to 3650."
  }
}

variable "notification_channel" {
  description = "Notification channel for alarms; blank makes none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[a-z0-9-]+/notificationChannels/[0-9]+)?$", var.notification_channel))
    error_message = "A notification channel's name: projects/…/notificationChannels/…"
  }
}
