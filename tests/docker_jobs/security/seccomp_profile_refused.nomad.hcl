# A profile from anywhere else would be a way to read files.
#
#> refused security_opt
#> refused seccomp_dir

job "seccomp_profile_refused" {
  type = "batch"

  group "main" {
    task "seccomp_profile_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        security_opt = ["seccomp=/etc/shadow"]
      }
    }
  }
}
