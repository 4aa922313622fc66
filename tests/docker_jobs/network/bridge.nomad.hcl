# The engine's own bridge, by name.
#
#> sees devices: eth0 lo

job "bridge" {
  type = "batch"

  group "main" {
    task "bridge" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo devices: $(ls /sys/class/net)"]

        network_mode = "bridge"
      }
    }
  }
}
