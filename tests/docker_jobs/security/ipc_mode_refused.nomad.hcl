# And not otherwise.
#
#> refused ipc_mode "host"
#> refused allowed_modes.ipc

job "ipc_mode_refused" {
  type = "batch"

  group "main" {
    task "ipc_mode_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ipc_mode = "host"
      }
    }
  }
}
