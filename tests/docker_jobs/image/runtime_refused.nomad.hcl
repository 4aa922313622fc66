# One that the operator does not list.
#
#> refused runtime "runsc"
#> refused allow_runtimes

job "runtime_refused" {
  type = "batch"

  group "main" {
    task "runtime_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        runtime = "runsc"
      }
    }
  }
}
