# Standard input is at its end.
#
#> sees ended at once

job "not_interactive" {
  type = "batch"

  group "main" {
    task "not_interactive" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat; echo ended at once"]
      }
    }
  }
}
