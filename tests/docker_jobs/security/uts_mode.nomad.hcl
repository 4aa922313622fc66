# A namespace of the host, where the operator opens it.
#
#> operator allowed_modes {
#> operator   uts = ["host"]
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/uts)" = "$(readlink /proc/self/ns/uts)" ] && echo the same uts
#> sees the same uts
#> stop

job "uts_mode" {
  type = "batch"

  group "main" {
    task "uts_mode" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'exit 0' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]

        uts_mode = "host"
      }
    }
  }
}
