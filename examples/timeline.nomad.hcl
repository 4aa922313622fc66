# The main job: a service with a certificate of its own, a database login and a rendered file.

variable "certificate_ttl" {
  type    = string
  default = "24h"
}

job "timeline" {
  type = "service"

  group "web" {
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "5s"

      # Nomad signs who this task is; needed where the operator chose auth { method = "nomad" }.
      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }

      config {
        image = "strongbox/timeline:1.4"

        # cert.pem, key.pem, ca.pem and bundle.pem; names and role come from the identity.
        certificate "server" {
          ttl           = var.certificate_ttl
          change_mode   = "signal"
          change_signal = "SIGHUP"
        }

        # Each field becomes a file: db/username, db/password.
        secret "db" {
          path = "database/creds/timeline"
        }

        # The program reads this file each time it needs it, so nobody has to be told of a change.
        template {
          destination = "app.env"
          change_mode = "noop"
          data        = <<-EOT
            {{ with secret "kv/data/timeline" }}API_KEY={{ .Data.data.api_key }}{{ end }}
          EOT
        }
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
