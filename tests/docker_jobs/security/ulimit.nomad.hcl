# Limits of the process, soft and hard.
#
#> sees files 1024 of 2048
#> sees processes 99

job "ulimit" {
  type = "batch"

  group "main" {
    task "ulimit" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo files $(ulimit -S -n) of $(ulimit -H -n)
          echo processes $(ulimit -H -p 2>/dev/null || awk '/Max processes/ { print $4 }' /proc/self/limits)
        EOT
        ]

        ulimit {
          nofile = "1024:2048"
          nproc  = "99"
        }
      }
    }
  }
}
