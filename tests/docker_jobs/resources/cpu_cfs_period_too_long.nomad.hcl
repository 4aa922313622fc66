# A second at most.
#
#> refused cpu_cfs_period

job "cpu_cfs_period_too_long" {
  type = "batch"

  group "main" {
    task "cpu_cfs_period_too_long" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cpu_hard_limit = true
        cpu_cfs_period = 1000001
      }
    }
  }
}
