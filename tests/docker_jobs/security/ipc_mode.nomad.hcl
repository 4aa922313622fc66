# A namespace of the host, where the operator opens it.
#
#> operator allowed_modes {
#> operator   ipc = ["host"]
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/ipc)" = "$(readlink /proc/self/ns/ipc)" ] && echo the same ipc
#> sees the same ipc
#> stop

job "ipc_mode" {
  type = "batch"

  group "main" {
    task "ipc_mode" {
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

        ipc_mode = "host"
      }
    }
  }
}
