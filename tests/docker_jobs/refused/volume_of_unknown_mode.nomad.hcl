# A third part that means nothing.
#
#> refused volumes
#> refused unknown mode

job "volume_of_unknown_mode" {
  type = "batch"

  group "main" {
    task "volume_of_unknown_mode" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["local:/x:rx"]
      }
    }
  }
}
