variable "names" {
  description = "DNS names that each instance pins, like [\"vpn.example.com\"] or, for several instances, [\"{{ instance_id }}.example.com\"]."
  type        = list(string)

  validation {
    condition     = length(var.names) > 0 && alltrue([for name in var.names : can(regex("^([^\\s,'\"\\\\{}]|\\{\\{[^,'\"\\\\{}]+\\}\\})+$", name))])
    error_message = "Expected at least one DNS name, each without commas, quotes and backslashes, and without spaces outside of {{ }}."
  }
}

variable "type" {
  description = "Type of their records: CNAME, A or AAAA."
  type        = string
  default     = "CNAME"

  validation {
    condition     = contains(["CNAME", "A", "AAAA"], var.type)
    error_message = "Expected CNAME, A or AAAA."
  }
}

variable "zone_id" {
  description = "Id of the hosted zone that the names lie in."
  type        = string

  validation {
    condition     = can(regex("^Z[0-9A-Z]+$", var.zone_id))
    error_message = "Expected the bare id of a hosted zone, like Z0123456789EXAMPLE."
  }
}

variable "package_url" {
  description = "Where instances fetch the .deb or .rpm of pin53 that you built: a server of yours, or a presigned URL."
  type        = string

  validation {
    condition     = can(regex("^https://[^\\s']+$", var.package_url))
    error_message = "Expected an https:// URL."
  }
}

variable "package_sha256" {
  description = "SHA-256 of that file, as sha256sum prints it."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "Expected 64 hexadecimal digits in lower case."
  }
}

variable "resource_name" {
  description = "Begins the names of the role, the instance profile and the launch template."
  type        = string
  default     = "pin53"
}

variable "partition" {
  description = "AWS partition: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}
