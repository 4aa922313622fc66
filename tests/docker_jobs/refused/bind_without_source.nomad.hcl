# A bind of nothing.
#
#> refused source

job "bind_without_source" {
  type = "batch"

  group "main" {
    task "bind_without_source" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "bind"
          target = "/x"
        }
      }
    }
  }
}
