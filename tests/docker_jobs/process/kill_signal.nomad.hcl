# The job says with which signal its task is stopped.
#
#> sees up
#> stop
#> sees interrupted
#> code 4

job "kill_signal" {
  type = "batch"

  group "main" {
    task "kill_signal" {
      driver = "docker"

      kill_signal = "SIGINT"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'echo interrupted; exit 4' INT
          echo up
          while :; do sleep 0.1; done
        EOT
        ]
      }
    }
  }
}
