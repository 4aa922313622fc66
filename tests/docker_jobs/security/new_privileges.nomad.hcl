# The operator may want that they can.
#
#> operator container {
#> operator   allow_new_privileges = true
#> operator }
#> sees 0

job "new_privileges" {
  type = "batch"

  group "main" {
    task "new_privileges" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep NoNewPrivs /proc/self/status | cut -f2"]
      }
    }
  }
}
