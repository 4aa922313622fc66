# A profile that the operator does not list.
#
#> refused security_opt "apparmor=mine"
#> refused allow_apparmor

job "apparmor_refused" {
  type = "batch"

  group "main" {
    task "apparmor_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        security_opt = ["apparmor=mine"]
      }
    }
  }
}
