# A label that the group does not have.
#
#> refused ports "nosuch"

job "unknown_port" {
  type = "batch"

  group "main" {
    task "unknown_port" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        ports = ["nosuch"]
      }
    }
  }
}
