# 777 written as one writes it for chmod is another number.
#
#> refused mode

job "tmpfs_of_wrong_mode" {
  type = "batch"

  group "main" {
    task "tmpfs_of_wrong_mode" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "tmpfs"
          target = "/x"

          tmpfs_options {
            mode = 1777
          }
        }
      }
    }
  }
}
