# Nought and less are no word about it, as in the built-in driver.
#
#> sees 1024

job "pids_limit_unsaid" {
  type = "batch"

  group "main" {
    task "pids_limit_unsaid" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max"]

        pids_limit = -1
      }
    }
  }
}
