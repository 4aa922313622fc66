# Mounts do not spread to the host.
#
#> refused allow_shared

job "bind_shared_refused" {
  type = "batch"

  group "main" {
    task "bind_shared_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "bind"
          source = "local"
          target = "/srv"

          bind_options {
            propagation = "rshared"
          }
        }
      }
    }
  }
}
