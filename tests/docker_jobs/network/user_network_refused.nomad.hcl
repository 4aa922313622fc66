# A network that the operator does not list.
#
#> refused network_mode "strongbox-corpus-none"
#> refused allowed_modes.network

job "user_network_refused" {
  type = "batch"

  group "main" {
    task "user_network_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_mode = "strongbox-corpus-none"
      }
    }
  }
}
