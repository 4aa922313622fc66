# A place that is relative to nothing.
#
#> refused volumes

job "volume_of_relative_target" {
  type = "batch"

  group "main" {
    task "volume_of_relative_target" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["local:x"]
      }
    }
  }
}
