# A stop is a SIGTERM, and the task may end by itself.
#
#> sees up
#> stop
#> sees told to go
#> code 3

job "stop_signal" {
  type = "batch"

  group "main" {
    task "stop_signal" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'echo told to go; exit 3' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]
      }
    }
  }
}
