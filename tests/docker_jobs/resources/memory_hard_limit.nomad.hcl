# What is reserved, and more where it is there.
#
#> sees limit 134217728
#> sees reserved 33554432

job "memory_hard_limit" {
  type = "batch"

  group "main" {
    task "memory_hard_limit" {
      driver = "docker"

      resources {
        memory = 32
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo limit $(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
          echo reserved $(cat /sys/fs/cgroup/memory.low 2>/dev/null || cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes)
        EOT
        ]

        memory_hard_limit = 128
      }
    }
  }
}
