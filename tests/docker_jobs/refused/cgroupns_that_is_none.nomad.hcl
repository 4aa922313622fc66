# There are two.
#
#> refused cgroupns "mine"

job "cgroupns_that_is_none" {
  type = "batch"

  group "main" {
    task "cgroupns_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cgroupns = "mine"
      }
    }
  }
}
