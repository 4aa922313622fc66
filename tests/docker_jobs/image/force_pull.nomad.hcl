# An image that is here only cannot be pulled anew.
#
#> refused strongbox/busybox

job "force_pull" {
  type = "batch"

  group "main" {
    task "force_pull" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        force_pull = true
      }
    }
  }
}
