# Nor by way of a link that somebody has laid.
#
#> artifact ln -s /etc out
#> refused volumes

job "volume_through_a_link" {
  type = "batch"

  group "main" {
    task "volume_through_a_link" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["local/out:/x"]
      }
    }
  }
}
