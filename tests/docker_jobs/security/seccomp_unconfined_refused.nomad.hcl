# And not otherwise.
#
#> refused seccomp=unconfined
#> refused allow_unconfined

job "seccomp_unconfined_refused" {
  type = "batch"

  group "main" {
    task "seccomp_unconfined_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        security_opt = ["seccomp=unconfined"]
      }
    }
  }
}
