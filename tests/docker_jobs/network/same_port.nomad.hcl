# Without another port inside it is the same.
#
#> sees up
#> outside curl -fsS http://127.0.0.1:$PORT_http/
#> sees served by same
#> stop
#> code 143
#> signalled 15

job "same_port" {
  type = "batch"

  group "main" {
    network {
      port "http" {}
    }

    task "same_port" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo served by $HOSTNAME >/tmp/www/index.html
          echo up
          exec httpd -f -p ${NOMAD_PORT_http} -h /tmp/www
        EOT
        ]

        hostname = "same"
        ports    = ["http"]
        init     = true
      }
    }
  }
}
