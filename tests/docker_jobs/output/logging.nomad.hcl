# The engine keeps the output in its own way, and it is collected as well.
#
#> sees for both
#> outside docker inspect -f '{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}}' $CONTAINER
#> sees json-file 2m
#> outside docker logs $CONTAINER | sed 's/^/engine: /'
#> sees engine: for both

job "logging" {
  type = "batch"

  group "main" {
    task "logging" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo for both"]

        logging {
          type = "json-file"

          config {
            max-size = "2m"
            max-file = "2"
          }
        }
      }
    }
  }
}
