# A parameter with a blank in its name.
#
#> refused sysctl

job "sysctl_that_is_none" {
  type = "batch"

  group "main" {
    task "sysctl_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        sysctl = {
          "net.core x" = "1"
        }
      }
    }
  }
}
