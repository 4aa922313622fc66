# A web server whose files come from an artifact and whose port comes from the group.
#
#> artifact mkdir -p www && echo the page >www/index.html && echo '/:127.0.0.1' >httpd.conf
#> sees up
#> outside curl -fsS http://127.0.0.1:$PORT_web/
#> sees the page
#> stop
#> code 143
#> signalled 15

job "configured_server" {
  type = "batch"

  group "main" {
    network {
      port "web" {
        to = 8000
      }
    }

    task "configured_server" {
      driver = "docker"

      user = "app"

      resources {
        cpu    = 200
        memory = 32
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo up; exec httpd -f -p 8000 -h /srv"]

        ports   = ["web"]
        init    = true
        volumes = ["local/www:/srv:ro"]

        labels {
          app = "pages"
        }
      }
    }
  }
}
