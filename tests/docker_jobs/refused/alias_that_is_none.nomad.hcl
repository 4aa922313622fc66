# A name with a blank in it.
#
#> refused network_aliases

job "alias_that_is_none" {
  type = "batch"

  group "main" {
    task "alias_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_aliases = ["a b"]
      }
    }
  }
}
