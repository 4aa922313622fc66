# A namespace of the host, where the operator opens it.
#
#> operator allowed_modes {
#> operator   pid = ["host"]
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ] && echo the same pid
#> sees the same pid
#> stop

job "pid_mode" {
  type = "batch"

  group "main" {
    task "pid_mode" {
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

        pid_mode = "host"
      }
    }
  }
}
