# Nor is this one.
#
#> refused mac_address

job "mac_wrong" {
  type = "batch"

  group "main" {
    task "mac_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mac_address = "02:42"
      }
    }
  }
}
