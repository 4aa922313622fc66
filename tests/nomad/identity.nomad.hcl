# The task shows the server an identity that Nomad signed for it.

job "timeline" {
  group "web" {
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "5s"
      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "trap 'exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done"]
        secret "db" {
          path = "database/creds/timeline"
        }
        template {
          destination = "app.env"
          data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
          change_mode = "noop"
        }
      }
    }
  }
}
