# A right that the operator's list has.
#
#> operator container {
#> operator   allow_caps = ["chown", "net_raw"]
#> operator }
#> sees 0000000000002001
#> sees raw sockets

job "cap_add" {
  type = "batch"

  group "main" {
    task "cap_add" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          grep CapEff /proc/self/status | cut -f2
          ping -c 1 -w 1 127.0.0.1 >/dev/null && echo raw sockets
        EOT
        ]

        cap_add = ["NET_RAW"]
      }
    }
  }
}
