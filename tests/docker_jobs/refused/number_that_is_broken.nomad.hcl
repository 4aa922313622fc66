# Half a process.
#
#> refused pids_limit

job "number_that_is_broken" {
  type = "batch"

  group "main" {
    task "number_that_is_broken" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        pids_limit = 1.5
      }
    }
  }
}
