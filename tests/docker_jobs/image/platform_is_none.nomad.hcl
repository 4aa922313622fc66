# A platform that is none.
#
#> refused platform

job "platform_is_none" {
  type = "batch"

  group "main" {
    task "platform_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        platform = "toaster"
      }
    }
  }
}
