# All rights but one are given up.
#
#> sees 0000000000000400

job "cap_drop_all" {
  type = "batch"

  group "main" {
    task "cap_drop_all" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "grep CapEff /proc/self/status | cut -f2"]

        cap_drop = ["all"]
        cap_add  = ["net_bind_service"]
      }
    }
  }
}
