# Without a word a task has the engine's usual rights, without raw sockets.
#
#> sees 00000000a80405fb
#> sees no raw sockets

job "capabilities" {
  type = "batch"

  group "main" {
    task "capabilities" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          grep CapEff /proc/self/status | cut -f2
          ping -c 1 -w 1 127.0.0.1 >/dev/null 2>&1 || echo no raw sockets
        EOT
        ]
      }
    }
  }
}
