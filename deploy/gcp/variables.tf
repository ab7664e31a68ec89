# Values that the spec lacks. Written by chroma-otel-deploy: change the spec and run `gen` again.

variable "project_id" {
  description = "ID of the project, not its name or number."
  type        = string
}

variable "zone" {
  description = "Zone of the machine and the disk; it also determines the region. The disk cannot move: see the root's README.md."
  type        = string
}

variable "network" {
  description = "Name of the VPC network in the same project."
  type        = string
}

variable "subnet" {
  description = "Name of the subnet in the zone's region. It must reach packages, the registry and the backend (through Cloud NAT). A change creates a new address."
  type        = string
}

variable "allowed_cidrs" {
  description = "Address ranges of allowed clients (/8 or narrower)."
  type        = list(string)
}

variable "chroma_otel_collection_headers" {
  description = "Additional headers for the backend, as a JSON object or as k=v,k2=v2 (stored in Secret Manager)."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true
}

variable "chroma_otel_collection_headers_version" {
  description = "Version of the value, 0 without a value. Increase it when you change chroma_otel_collection_headers, because Terraform cannot detect the change."
  type        = number
  default     = 0
}

variable "chroma_otel_collection_headers_secret_id" {
  description = "The name of an existing secret, projects/PROJECT/secrets/NAME, instead of chroma_otel_collection_headers."
  type        = string
  default     = ""
}
