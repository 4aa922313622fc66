# System calls are filtered.
#
#> sees 2

job "seccomp" {
  type = "batch"

  group "main" {
    task "seccomp" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep ^Seccomp: /proc/self/status | cut -f2"]
      }
    }
  }
}
