# Two mounts at one place.
#
#> refused same target

job "mount_twice" {
  type = "batch"

  group "main" {
    task "mount_twice" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["local:/x"]

        mount {
          type   = "tmpfs"
          target = "/x/"
        }
      }
    }
  }
}
