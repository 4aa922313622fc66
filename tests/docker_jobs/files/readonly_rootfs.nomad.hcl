# The root filesystem cannot be written.
#
#> sees refused
#> sees local is another matter

job "readonly_rootfs" {
  type = "batch"

  group "main" {
    task "readonly_rootfs" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "touch /etc/x 2>/dev/null || echo refused; touch /local/x && echo local is another matter"]

        readonly_rootfs = true
      }
    }
  }
}
