# A bind wants something to be there.
#
#> refused mount at "/srv"

job "bind_of_nothing" {
  type = "batch"

  group "main" {
    task "bind_of_nothing" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "bind"
          source = "local/nothing"
          target = "/srv"
        }
      }
    }
  }
}
