# A way to spread that the kernel does not know.
#
#> refused unknown propagation

job "propagation_that_is_none" {
  type = "batch"

  group "main" {
    task "propagation_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "bind"
          source = "local"
          target = "/x"

          bind_options {
            propagation = "everywhere"
          }
        }
      }
    }
  }
}
