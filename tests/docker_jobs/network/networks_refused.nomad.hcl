# A further network that the operator does not list.
#
#> refused network
#> refused allowed_modes.network

job "networks_refused" {
  type = "batch"

  group "main" {
    task "networks_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_mode = "bridge"
        networks     = ["strongbox-corpus-elsewhere"]
      }
    }
  }
}
