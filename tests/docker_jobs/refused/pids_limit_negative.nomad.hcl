# A negative number of processes.
#
#> refused pids_limit

job "pids_limit_negative" {
  type = "batch"

  group "main" {
    task "pids_limit_negative" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        pids_limit = -5
      }
    }
  }
}
