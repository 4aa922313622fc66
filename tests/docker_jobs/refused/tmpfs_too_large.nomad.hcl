# More memory than anybody has.
#
#> refused size

job "tmpfs_too_large" {
  type = "batch"

  group "main" {
    task "tmpfs_too_large" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "tmpfs"
          target = "/x"

          tmpfs_options {
            size = 9999999999999
          }
        }
      }
    }
  }
}
