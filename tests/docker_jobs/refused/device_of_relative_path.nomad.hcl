# A path that is relative to nothing.
#
#> refused devices

job "device_of_relative_path" {
  type = "batch"

  group "main" {
    task "device_of_relative_path" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        devices {
          host_path = "dev/zero"
        }
      }
    }
  }
}
