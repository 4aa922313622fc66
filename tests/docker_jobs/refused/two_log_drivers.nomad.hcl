# Two names for the driver of the output.
#
#> refused logging

job "two_log_drivers" {
  type = "batch"

  group "main" {
    task "two_log_drivers" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        logging {
          type   = "json-file"
          driver = "local"
        }
      }
    }
  }
}
