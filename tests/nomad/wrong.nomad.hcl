# A job that is wrong where the variables say so.

variable "image" {
  default = "strongbox/busybox:1"
}

variable "role" {
  default = "timeline"
}

variable "path" {
  default = "database/creds/timeline"
}

variable "attempts" {
  type    = number
  default = 0
}

job "timeline" {
  group "web" {
    restart {
      attempts = var.attempts
      interval = "10m"
      delay    = "1s"
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "timeline" {
      driver = "strongbox"
      config {
        image      = var.image
        command    = "sleep"
        args       = ["3600"]
        vault_role = var.role
        secret "db" {
          path = var.path
        }
      }
    }
  }
}
