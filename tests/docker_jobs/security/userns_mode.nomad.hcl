# A namespace of the host, where the operator opens it.
#
#> operator allowed_modes {
#> operator   userns = ["host"]
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/user)" = "$(readlink /proc/self/ns/user)" ] && echo the same user
#> sees the same user
#> stop

job "userns_mode" {
  type = "batch"

  group "main" {
    task "userns_mode" {
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

        userns_mode = "host"
      }
    }
  }
}
