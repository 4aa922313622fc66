# A web server behind a port of the host.
#
#> sees up
#> outside curl -fsS http://127.0.0.1:$PORT_http/
#> sees served by web
#> exec echo port $NOMAD_PORT_http, outside $NOMAD_HOST_PORT_http at $NOMAD_IP_http
#> shows port 8080, outside
#> stop
#> code 143
#> signalled 15

job "web_server" {
  type = "batch"

  group "main" {
    network {
      port "http" {
        to = 8080
      }
    }

    task "web_server" {
      driver = "docker"

      kill_timeout = "5s"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo served by $HOSTNAME >/tmp/www/index.html
          echo up
          exec httpd -f -p 8080 -h /tmp/www
        EOT
        ]

        hostname = "web"
        ports    = ["http"]
        init     = true
      }
    }
  }
}
