# A fixed address on it.
#
#> operator allowed_modes {
#> operator   network = ["strongbox-corpus-*", "bridge"]
#> operator }
#> before docker network create --subnet 10.213.7.0/24 strongbox-corpus-addresses
#> shows inet 10.213.7.77/24
#> after docker network rm strongbox-corpus-addresses

job "ipv4_address" {
  type = "batch"

  group "main" {
    task "ipv4_address" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "ip addr show eth0"]

        network_mode = "strongbox-corpus-addresses"
        ipv4_address = "10.213.7.77"
      }
    }
  }
}
