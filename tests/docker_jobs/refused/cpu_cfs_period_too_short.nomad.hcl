# A millisecond at least.
#
#> refused cpu_cfs_period

job "cpu_cfs_period_too_short" {
  type = "batch"

  group "main" {
    task "cpu_cfs_period_too_short" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cpu_cfs_period = 10
      }
    }
  }
}
