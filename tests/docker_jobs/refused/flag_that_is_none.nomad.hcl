# A word where yes or no belongs.
#
#> refused inappropriate value for argument "interactive"

job "flag_that_is_none" {
  type = "batch"

  group "main" {
    task "flag_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        interactive = "maybe"
      }
    }
  }
}
