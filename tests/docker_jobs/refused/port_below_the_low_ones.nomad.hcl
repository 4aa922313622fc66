# A port of the host that belongs to its services.
#
#> refused ports "web"
#> refused min_host_port

job "port_below_the_low_ones" {
  type = "batch"

  group "main" {
    network {
      port "web" {
        static = 22
      }
    }

    task "port_below_the_low_ones" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ports = ["web"]
      }
    }
  }
}
