# Shared memory of its own, as always.
#
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/ipc)" != "$(readlink /proc/self/ns/ipc)" ] && echo apart
#> sees apart
#> stop

job "ipc_private" {
  type = "batch"

  group "main" {
    task "ipc_private" {
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

        ipc_mode = "private"
      }
    }
  }
}
