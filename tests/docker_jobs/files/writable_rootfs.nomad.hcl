# A job may want to write to its image's files.
#
#> sees written

job "writable_rootfs" {
  type = "batch"

  group "main" {
    task "writable_rootfs" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo x >/etc/x; echo written"]

        readonly_rootfs = false
      }
    }
  }
}
