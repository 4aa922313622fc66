# The image's own health check runs.
#
#> before docker create --name strongbox-checked strongbox/busybox:1 && docker commit --change "HEALTHCHECK --interval=1s CMD echo looked >/tmp/health" strongbox-checked strongbox/checked:1 && docker rm strongbox-checked
#> sees looked
#> after docker rmi -f strongbox/checked:1

job "health_check" {
  type = "batch"

  group "main" {
    task "health_check" {
      driver = "docker"

      config {
        image   = "strongbox/checked:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until [ -s /tmp/health ]; do usleep 100000; done
          cat /tmp/health
        EOT
        ]
      }
    }
  }
}
