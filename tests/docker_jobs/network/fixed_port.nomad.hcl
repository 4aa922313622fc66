# A port of the host that the job chooses.
#
#> sees up
#> outside curl -fsS http://127.0.0.1:23817/
#> sees served by fixed
#> stop
#> code 143
#> signalled 15

job "fixed_port" {
  type = "batch"

  group "main" {
    network {
      port "http" {
        static = 23817
        to     = 80
      }
    }

    task "fixed_port" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo served by $HOSTNAME >/tmp/www/index.html
          echo up
          exec httpd -f -p 80 -h /tmp/www
        EOT
        ]

        hostname = "fixed"
        ports    = ["http"]
        init     = true
      }
    }
  }
}
