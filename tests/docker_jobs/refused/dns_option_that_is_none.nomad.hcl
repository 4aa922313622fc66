# An option with a line end in it.
#
#> refused dns_options

job "dns_option_that_is_none" {
  type = "batch"

  group "main" {
    task "dns_option_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        dns_options = ["ndots:1\nnameserver 10.0.0.1"]
      }
    }
  }
}
