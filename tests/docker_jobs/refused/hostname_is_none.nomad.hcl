# A name with a blank in it.
#
#> refused hostname

job "hostname_is_none" {
  type = "batch"

  group "main" {
    task "hostname_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        hostname = "not a name"
      }
    }
  }
}
