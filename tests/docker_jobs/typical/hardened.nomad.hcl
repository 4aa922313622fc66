# Everything that a careful author shuts by hand.
#
#> sees rights 0000000000000000
#> sees no new ones 1
#> sees root is read-only
#> sees alone

job "hardened" {
  type = "batch"

  group "main" {
    task "hardened" {
      driver = "docker"

      user = "app"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo rights $(grep CapEff /proc/self/status | cut -f2)
          echo no new ones $(grep NoNewPrivs /proc/self/status | cut -f2)
          touch /x 2>/dev/null || echo root is read-only
          [ "$(ls /sys/class/net)" = lo ] && echo alone
        EOT
        ]

        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        readonly_rootfs = true
        network_mode    = "none"
        pids_limit      = 32
        ipc_mode        = "none"

        mount {
          type   = "tmpfs"
          target = "/tmp"

          tmpfs_options {
            size = 65536
          }
        }
      }
    }
  }
}
