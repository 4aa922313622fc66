# A weight against the neighbours.
#
#> sees 300

job "cpu" {
  type = "batch"

  group "main" {
    task "cpu" {
      driver = "docker"

      resources {
        cpu = 300
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          # The newer kernel interface has another scale.
          cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || { [ $(cat /sys/fs/cgroup/cpu.weight) = 12 ] && echo 300; }
        EOT
        ]
      }
    }
  }
}
