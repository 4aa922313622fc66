# And not otherwise.
#
#> refused privileged
#> refused allow_privileged

job "privileged_refused" {
  type = "batch"

  group "main" {
    task "privileged_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        privileged = true
      }
    }
  }
}
