# And not otherwise.
#
#> refused pid_mode "host"
#> refused allowed_modes.pid

job "pid_mode_refused" {
  type = "batch"

  group "main" {
    task "pid_mode_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        pid_mode = "host"
      }
    }
  }
}
