# The newer name of the same.
#
#> sees for both
#> outside docker inspect -f '{{.HostConfig.LogConfig.Type}}' $CONTAINER
#> sees local

job "logging_driver" {
  type = "batch"

  group "main" {
    task "logging_driver" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo for both"]

        logging {
          driver = "local"
        }
      }
    }
  }
}
