# A right that it does not have.
#
#> refused SYS_ADMIN
#> refused allow_caps

job "cap_add_refused" {
  type = "batch"

  group "main" {
    task "cap_add_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cap_add = ["SYS_ADMIN"]
      }
    }
  }
}
