# No filter for system calls, where the operator wants to allow that.
#
#> operator container {
#> operator   allow_unconfined = true
#> operator }
#> sees 0

job "seccomp_unconfined" {
  type = "batch"

  group "main" {
    task "seccomp_unconfined" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep ^Seccomp: /proc/self/status | cut -f2"]

        security_opt = ["seccomp=unconfined"]
      }
    }
  }
}
