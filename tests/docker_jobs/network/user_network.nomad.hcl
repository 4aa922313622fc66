# A network of the operator's, on which tasks find each other by name.
#
#> operator allowed_modes {
#> operator   network = ["strongbox-corpus-*", "bridge"]
#> operator }
#> before docker network create strongbox-corpus-user
#> sees page of greeter
#> after docker network rm strongbox-corpus-user

job "user_network" {
  type = "batch"

  group "main" {
    task "greeter" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo page of greeter >/tmp/www/index.html
          httpd -p 80 -h /tmp/www
          until [ -e /alloc/data/done ]; do usleep 50000; done
        EOT
        ]

        network_mode    = "strongbox-corpus-user"
        network_aliases = ["greeter", "greeter.internal"]
      }
    }

    task "greeted" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until wget -qO- http://greeter.internal/; do usleep 100000; done
          touch /alloc/data/done
        EOT
        ]

        network_mode = "strongbox-corpus-user"
      }
    }
  }
}
