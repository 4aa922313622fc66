# A share that is cut off, in periods of the usual length.
#
#> sees period 100000
#> shows quota

job "cpu_hard_limit" {
  type = "batch"

  group "main" {
    task "cpu_hard_limit" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          if [ -e /sys/fs/cgroup/cpu.max ]; then
            read -r quota period </sys/fs/cgroup/cpu.max
          else
            quota=$(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us)
            period=$(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us)
          fi
          echo period $period
          [ "$quota" -gt 0 ] && echo quota $quota
        EOT
        ]

        cpu_hard_limit = true
      }
    }
  }
}
