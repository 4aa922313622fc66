# A limit is a number.
#
#> refused ulimit.nofile

job "ulimit_wrong" {
  type = "batch"

  group "main" {
    task "ulimit_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ulimit {
          nofile = "many"
        }
      }
    }
  }
}
