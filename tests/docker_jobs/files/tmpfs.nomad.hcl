# Memory, with a size and permissions.
#
#> sees tmpfs 1024
#> sees 700

job "tmpfs" {
  type = "batch"

  group "main" {
    task "tmpfs" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          df -k /cache | awk 'NR == 2 { print $1, $2 }'
          stat -c %a /cache
        EOT
        ]

        mount {
          type   = "tmpfs"
          target = "/cache"

          tmpfs_options {
            size = 1048576
            mode = 448 # 0700
          }
        }
      }
    }
  }
}
