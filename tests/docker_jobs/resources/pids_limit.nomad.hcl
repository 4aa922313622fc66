# No more processes than the job says.
#
#> sees 20
#> sees refused

job "pids_limit" {
  type = "batch"

  group "main" {
    task "pids_limit" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max
          (for i in $(seq 40); do sleep 5 & done) 2>&1 | grep -qi "can't fork\|resource" && echo refused
        EOT
        ]

        pids_limit = 20
      }
    }
  }
}
