# Single rights are given up, in whatever spelling.
#
#> sees 00000000a80405da
#> sees not given away

job "cap_drop" {
  type = "batch"

  group "main" {
    task "cap_drop" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          grep CapEff /proc/self/status | cut -f2
          touch /tmp/x
          chown app /tmp/x 2>/dev/null || echo not given away
        EOT
        ]

        cap_drop = ["chown", "CAP_KILL"]
      }
    }
  }
}
