# A mount without a place.
#
#> refused target

job "mount_without_target" {
  type = "batch"

  group "main" {
    task "mount_without_target" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type = "tmpfs"
        }
      }
    }
  }
}
