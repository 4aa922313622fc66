# One of everything; it runs until it is stopped, tells each HUP, and ends by itself with status 7 on USR1.

job "timeline" {
  group "web" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "5s"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args = ["-c", <<-EOT
          trap 'echo hung up' HUP
          trap 'exit 7' USR1
          trap 'echo asked to end; exit 0' TERM
          echo up
          echo seen on the other stream >&2
          while :; do sleep 1 & wait $!; done
        EOT
        ]
        certificate "server" {
          change_mode = "noop"
        }
        secret "db" {
          path = "database/creds/timeline"
        }
        template {
          destination = "app.env"
          data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
          change_mode = "noop"
        }
      }
      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
