# An address of the other kind.
#
#> refused ipv6_address

job "ipv6_address_that_is_none" {
  type = "batch"

  group "main" {
    task "ipv6_address_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ipv6_address = "10.0.0.1"
      }
    }
  }
}
