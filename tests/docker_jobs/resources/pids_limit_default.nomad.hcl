# Without a word there is still a limit.
#
#> sees 1024

job "pids_limit_default" {
  type = "batch"

  group "main" {
    task "pids_limit_default" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max"]
      }
    }
  }
}
