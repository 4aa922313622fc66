# With room above what is reserved.
#
#> sees limit 134217728
#> sees reserved 33554432

job "memory_max" {
  type = "batch"

  group "main" {
    task "memory_max" {
      driver = "docker"

      resources {
        memory     = 32
        memory_max = 128
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo limit $(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
          echo reserved $(cat /sys/fs/cgroup/memory.low 2>/dev/null || cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes)
        EOT
        ]
      }
    }
  }
}
