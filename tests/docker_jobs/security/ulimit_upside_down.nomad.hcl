# And the soft one is the lower.
#
#> refused ulimit.nofile

job "ulimit_upside_down" {
  type = "batch"

  group "main" {
    task "ulimit_upside_down" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ulimit {
          nofile = "2048:1024"
        }
      }
    }
  }
}
