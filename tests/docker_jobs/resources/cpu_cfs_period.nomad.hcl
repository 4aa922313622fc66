# In shorter ones.
#
#> sees period 50000

job "cpu_cfs_period" {
  type = "batch"

  group "main" {
    task "cpu_cfs_period" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          if [ -e /sys/fs/cgroup/cpu.max ]; then
            read -r quota period </sys/fs/cgroup/cpu.max
          else
            period=$(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us)
          fi
          echo period $period
        EOT
        ]

        cpu_hard_limit = true
        cpu_cfs_period = 50000
      }
    }
  }
}
