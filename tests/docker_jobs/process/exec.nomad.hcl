# Commands run beside the task, in its container and as its user.
#
#> sees up
#> exec echo I am $(id -u) beside pid 1, $(cat /proc/1/comm); exit 5
#> sees I am 10001 beside pid 1, sh
#> stop
#> code 0

job "exec" {
  type = "batch"

  group "main" {
    task "exec" {
      driver = "docker"

      user = "app"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'exit 0' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]
      }
    }
  }
}
