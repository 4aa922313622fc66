# And not otherwise.
#
#> refused userns_mode "host"
#> refused allowed_modes.userns

job "userns_mode_refused" {
  type = "batch"

  group "main" {
    task "userns_mode_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        userns_mode = "host"
      }
    }
  }
}
