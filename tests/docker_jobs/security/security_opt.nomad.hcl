# The one that everybody may give.
#
#> sees 1

job "security_opt" {
  type = "batch"

  group "main" {
    task "security_opt" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep NoNewPrivs /proc/self/status | cut -f2"]

        security_opt = ["no-new-privileges"]
      }
    }
  }
}
