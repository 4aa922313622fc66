# A volume without a name goes with its task.
#
#> operator volumes {
#> operator   allow_named   = true
#> operator   allow_drivers = ["local"]
#> operator }
#> sees mine
#> outside docker inspect -f '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Type}}{{end}}{{end}}' $CONTAINER
#> sees volume

job "anonymous_volume" {
  type = "batch"

  group "main" {
    task "anonymous_volume" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo x >/data/x && echo mine"]

        mount {
          target = "/data"
        }
      }
    }
  }
}
