# A bind of the task's own directory, with the part that is below it.
#
#> artifact mkdir -p site && echo hello >site/index.html
#> sees hello
#> sees cannot be written

job "bind" {
  type = "batch"

  group "main" {
    task "bind" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cat /srv/index.html
          touch /srv/x 2>/dev/null || echo cannot be written
        EOT
        ]

        mount {
          type     = "bind"
          source   = "local/site"
          target   = "/srv"
          readonly = true

          bind_options {
            propagation = "rprivate"
          }
        }
      }
    }
  }
}
