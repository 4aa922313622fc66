# Volumes of the engine are shut.
#
#> refused allow_named

job "named_volume_refused" {
  type = "batch"

  group "main" {
    task "named_volume_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "volume"
          target = "/data"
          source = "strongbox-corpus-refused"
        }
      }
    }
  }
}
