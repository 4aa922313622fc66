# The way of old clusters is told to be over, with what to write instead.
#
#> refused port_map
#> refused ports

job "port_map" {
  type = "batch"

  group "main" {
    task "port_map" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        port_map = [
          {
            http = 80
          },
        ]
      }
    }
  }
}
