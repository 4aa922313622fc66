# A driver that sends the output elsewhere.
#
#> refused logging.driver "syslog"
#> refused allow_drivers

job "logging_refused" {
  type = "batch"

  group "main" {
    task "logging_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        logging {
          type = "syslog"
        }
      }
    }
  }
}
