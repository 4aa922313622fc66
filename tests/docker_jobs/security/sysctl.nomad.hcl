# Kernel parameters of the container's own.
#
#> sees 2048
#> sees 33000 61000

job "sysctl" {
  type = "batch"

  group "main" {
    task "sysctl" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cat /proc/sys/net/core/somaxconn
          echo $(cat /proc/sys/net/ipv4/ip_local_port_range)
        EOT
        ]

        sysctl = {
          "net.core.somaxconn"           = "2048"
          "net.ipv4.ip_local_port_range" = "33000 61000"
        }
      }
    }
  }
}
