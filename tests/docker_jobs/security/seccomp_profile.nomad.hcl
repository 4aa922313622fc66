# A profile out of the operator's directory.
#
#> operator container {
#> operator   seccomp_dir = "/var/tmp/strongbox-corpus-seccomp"
#> operator }
#> before mkdir -p /var/tmp/strongbox-corpus-seccomp && echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >/var/tmp/strongbox-corpus-seccomp/no-mkdir.json
#> sees no directory is made
#> after rm -rf /var/tmp/strongbox-corpus-seccomp

job "seccomp_profile" {
  type = "batch"

  group "main" {
    task "seccomp_profile" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "mkdir /tmp/x 2>/dev/null || echo no directory is made"]

        security_opt = ["seccomp=no-mkdir.json"]
      }
    }
  }
}
