# Not more than the operator's.
#
#> refused pids_limit 4096

job "pids_limit_refused" {
  type = "batch"

  group "main" {
    task "pids_limit_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        pids_limit = 4096
      }
    }
  }
}
