# Two ports of one task; the third of the group is not for it.
#
#> sees up
#> outside curl -fsS http://127.0.0.1:$PORT_one/ && curl -fsS http://127.0.0.1:$PORT_two/
#> sees served by two
#> outside docker port $CONTAINER | wc -l
#> sees 2
#> stop
#> code 143
#> signalled 15

job "two_ports" {
  type = "batch"

  group "main" {
    network {
      port "one" {
        to = 8081
      }
      port "two" {
        to = 8082
      }
      port "three" {}
    }

    task "two_ports" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo served by $HOSTNAME >/tmp/www/index.html
          httpd -p 8081 -h /tmp/www
          httpd -p 8082 -h /tmp/www
          echo up
          exec sleep 60
        EOT
        ]

        hostname = "two"
        ports    = ["one", "two"]
        init     = true
      }
    }
  }
}
