# Those of the host are shut.
#
#> refused sysctl "vm.swappiness"
#> refused allow_sysctls

job "sysctl_refused" {
  type = "batch"

  group "main" {
    task "sysctl_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        sysctl = {
          "vm.swappiness" = "1"
        }
      }
    }
  }
}
