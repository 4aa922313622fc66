# A running service is told to read its configuration again.
#
#> sees up
#> signal SIGHUP
#> sees read again
#> stop
#> code 0

job "reload" {
  type = "batch"

  group "main" {
    task "reload" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'echo read again' HUP
          trap 'exit 0' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]
      }
    }
  }
}
