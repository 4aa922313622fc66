# The limit is the scheduler's, and there is no swap.
#
#> sees limit 50331648
#> sees no swap

job "memory" {
  type = "batch"

  group "main" {
    task "memory" {
      driver = "docker"

      resources {
        memory = 48
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo limit $(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
          case $(cat /sys/fs/cgroup/memory.swap.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes) in
            0 | 50331648) echo no swap ;;
          esac
        EOT
        ]
      }
    }
  }
}
