# A limit that no kernel has.
#
#> refused ulimit

job "ulimit_of_strange_name" {
  type = "batch"

  group "main" {
    task "ulimit_of_strange_name" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ulimit = {
          "no file" = "1"
        }
      }
    }
  }
}
