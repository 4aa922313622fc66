# Who does not listen is killed when the time is over.
#
#> sees up
#> stop
#> code 137
#> signalled 9

job "kill_timeout" {
  type = "batch"

  group "main" {
    task "kill_timeout" {
      driver = "docker"

      kill_timeout = "1s"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap '' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]
      }
    }
  }
}
