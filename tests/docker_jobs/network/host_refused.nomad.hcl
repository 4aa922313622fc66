# The host's network is shut.
#
#> refused network_mode "host"
#> refused allow_host_network

job "host_refused" {
  type = "batch"

  group "main" {
    task "host_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_mode = "host"
      }
    }
  }
}
