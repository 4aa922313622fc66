# Also of the newer kind.
#
#> operator allowed_modes {
#> operator   network = ["strongbox-corpus-*", "bridge"]
#> operator }
#> before docker network create --ipv6 --subnet fd21:3707::/64 strongbox-corpus-six
#> shows inet6 fd21:3707::77/64
#> after docker network rm strongbox-corpus-six

job "ipv6_address" {
  type = "batch"

  group "main" {
    task "ipv6_address" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "ip addr show eth0"]

        network_mode           = "strongbox-corpus-six"
        ipv6_address           = "fd21:3707::77"
        advertise_ipv6_address = true
      }
    }
  }
}
