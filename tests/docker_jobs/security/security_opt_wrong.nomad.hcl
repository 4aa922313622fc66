# Something that is no such option.
#
#> refused security_opt

job "security_opt_wrong" {
  type = "batch"

  group "main" {
    task "security_opt_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        security_opt = ["everything"]
      }
    }
  }
}
