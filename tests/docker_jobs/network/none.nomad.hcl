# Without a network there is only the loopback device.
#
#> sees devices: lo

job "none" {
  type = "batch"

  group "main" {
    task "none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo devices: $(ls /sys/class/net)"]

        network_mode = "none"
      }
    }
  }
}
