# A server with its data on a volume, shared memory, limits, and time to end well.
#
#> operator volumes {
#> operator   allow_named   = true
#> operator   allow_drivers = ["local"]
#> operator }
#> sees up with 4096 files
#> stop
#> sees written down
#> outside docker run --rm --network none -v strongbox-corpus-database:/v strongbox/busybox:1 cat /v/state
#> sees clean
#> after docker volume rm -f strongbox-corpus-database

job "database" {
  type = "batch"

  group "main" {
    task "database" {
      driver = "docker"

      kill_timeout = "30s"

      resources {
        memory = 64
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'echo clean >/var/lib/db/state; echo written down; exit 0' TERM
          echo up with $(ulimit -n) files
          while :; do sleep 0.1; done
        EOT
        ]

        shm_size = 16777216

        ulimit {
          nofile = "4096"
        }

        mount {
          type   = "volume"
          target = "/var/lib/db"
          source = "strongbox-corpus-database"
        }
      }
    }
  }
}
