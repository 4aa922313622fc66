# Unless the job does not want it.
#
#> before docker create --name strongbox-unchecked strongbox/busybox:1 && docker commit --change "HEALTHCHECK --interval=1s CMD echo looked >/tmp/health" strongbox-unchecked strongbox/unchecked:1 && docker rm strongbox-unchecked
#> sees up
#> outside docker inspect -f '{{json .Config.Healthcheck.Test}} {{if .State.Health}}looked at{{else}}not looked at{{end}}' $CONTAINER
#> sees ["NONE"] not looked at
#> stop
#> after docker rmi -f strongbox/unchecked:1

job "health_check_disabled" {
  type = "batch"

  group "main" {
    task "health_check_disabled" {
      driver = "docker"

      config {
        image   = "strongbox/unchecked:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'exit 0' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]

        healthchecks {
          disable = true
        }
      }
    }
  }
}
