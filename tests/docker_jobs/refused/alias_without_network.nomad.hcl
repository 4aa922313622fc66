# The engine's own bridge knows no names.
#
#> refused network_aliases
#> refused network_mode

job "alias_without_network" {
  type = "batch"

  group "main" {
    task "alias_without_network" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_aliases = ["web"]
      }
    }
  }
}
