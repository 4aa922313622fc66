# A device without the one thing that must be said.
#
#> refused "host_path" is required

job "device_without_path" {
  type = "batch"

  group "main" {
    task "device_without_path" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        devices {
          container_path = "/dev/x"
        }
      }
    }
  }
}
