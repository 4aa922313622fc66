# An address that is none.
#
#> refused ipv4_address

job "address_wrong" {
  type = "batch"

  group "main" {
    task "address_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ipv4_address = "10.0.0.300"
      }
    }
  }
}
