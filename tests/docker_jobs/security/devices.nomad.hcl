# Devices of the host, one under another name and one for reading only.
#
#> operator container {
#> operator   allow_devices = ["/dev/zer*", "/dev/kmsg:r"]
#> operator }
#> sees 0 0 0
#> sees cannot be written

job "devices" {
  type = "batch"

  group "main" {
    task "devices" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo $(head -c 3 /dev/nought | od -An -tu1)
          (echo x >/dev/kmsg) 2>/dev/null || echo cannot be written
        EOT
        ]

        devices {
          host_path      = "/dev/zero"
          container_path = "/dev/nought"
        }

        devices {
          host_path          = "/dev/kmsg"
          cgroup_permissions = "r"
        }
      }
    }
  }
}
