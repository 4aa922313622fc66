# A hardware address on the engine's own bridge. Engines before Docker 25 cannot be told in today's words.
#
#> where [ "$(printf '1.44\n%s\n' "$(docker version -f '{{.Server.APIVersion}}')" | sort -V | head -1)" = 1.44 ]
#> elsewhere mac_address: needs an engine that speaks API 1.44
#> shows 02:42:ac:00:00:99

job "mac_address" {
  type = "batch"

  group "main" {
    task "mac_address" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "ip link show eth0"]

        mac_address = "02:42:ac:00:00:99"
      }
    }
  }
}
