# And not otherwise.
#
#> refused uts_mode "host"
#> refused allowed_modes.uts

job "uts_mode_refused" {
  type = "batch"

  group "main" {
    task "uts_mode_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        uts_mode = "host"
      }
    }
  }
}
