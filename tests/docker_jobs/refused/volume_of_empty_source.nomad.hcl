# A volume of nothing.
#
#> refused volumes

job "volume_of_empty_source" {
  type = "batch"

  group "main" {
    task "volume_of_empty_source" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = [":/x"]
      }
    }
  }
}
