# And on another one.
#
#> where [ "$(printf '1.44\n%s\n' "$(docker version -f '{{.Server.APIVersion}}')" | sort -V | head -1)" = 1.44 ]
#> elsewhere mac_address: needs an engine that speaks API 1.44
#> operator allowed_modes {
#> operator   network = ["strongbox-corpus-*", "bridge"]
#> operator }
#> before docker network create strongbox-corpus-mac
#> shows 02:42:ac:00:00:98
#> after docker network rm strongbox-corpus-mac

job "mac_address_of_user_network" {
  type = "batch"

  group "main" {
    task "mac_address_of_user_network" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "ip link show eth0"]

        network_mode = "strongbox-corpus-mac"
        mac_address  = "02:42:ac:00:00:98"
      }
    }
  }
}
