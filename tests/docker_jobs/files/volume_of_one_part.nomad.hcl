# A volume has two parts at least.
#
#> refused volumes "data"

job "volume_of_one_part" {
  type = "batch"

  group "main" {
    task "volume_of_one_part" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["data"]
      }
    }
  }
}
