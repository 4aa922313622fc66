# Programs cannot gain rights.
#
#> sees 1

job "no_new_privileges" {
  type = "batch"

  group "main" {
    task "no_new_privileges" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep NoNewPrivs /proc/self/status | cut -f2"]
      }
    }
  }
}
