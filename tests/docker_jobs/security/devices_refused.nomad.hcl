# Devices are shut.
#
#> refused devices "/dev/kmsg"
#> refused allow_devices

job "devices_refused" {
  type = "batch"

  group "main" {
    task "devices_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        devices {
          host_path = "/dev/kmsg"
        }
      }
    }
  }
}
