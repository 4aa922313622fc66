# An option that has been without effect for years is told to be so.
#
#> sees all of them
#> event cpuset_cpus has no effect

job "cpuset_cpus" {
  type = "batch"

  group "main" {
    task "cpuset_cpus" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          [ "$(cat /sys/fs/cgroup/cpuset.cpus.effective 2>/dev/null || cat /sys/fs/cgroup/cpuset/cpuset.cpus)" != 0 ] || [ $(nproc) = 1 ] && echo all of them
        EOT
        ]

        cpuset_cpus = "0"
      }
    }
  }
}
