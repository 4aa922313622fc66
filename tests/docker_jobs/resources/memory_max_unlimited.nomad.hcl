# Where the operator gives it.
#
#> operator container {
#> operator   allow_unlimited_memory = true
#> operator }
#> sees reserved 33554432
#> sees no limit

job "memory_max_unlimited" {
  type = "batch"

  group "main" {
    task "memory_max_unlimited" {
      driver = "docker"

      resources {
        memory     = 32
        memory_max = -1
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo reserved $(cat /sys/fs/cgroup/memory.low 2>/dev/null || cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes)
          case $(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes) in
            max | ????????????????*) echo no limit ;;
          esac
        EOT
        ]
      }
    }
  }
}
