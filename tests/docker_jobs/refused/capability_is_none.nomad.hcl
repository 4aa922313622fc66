# Something that is no capability.
#
#> refused capability

job "capability_is_none" {
  type = "batch"

  group "main" {
    task "capability_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cap_add = ["net admin"]
      }
    }
  }
}
