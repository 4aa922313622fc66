# In several networks at a time: tasks of either find it under its names, and those of the one do not see those of the other.
#
#> operator allowed_modes {
#> operator   network = ["strongbox-corpus-*", "bridge"]
#> operator }
#> before docker network create --subnet 10.213.8.0/24 strongbox-corpus-front
#> before docker network create --subnet 10.213.9.0/24 strongbox-corpus-back
#> shows middle inet 10.213.8.
#> shows middle inet 10.213.9.
#> sees front has page of middle
#> sees back has page of middle
#> sees front does not see the back
#> after docker network rm strongbox-corpus-front strongbox-corpus-back

job "networks" {
  type = "batch"

  group "main" {
    task "middle" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          ip -4 addr | sed -n 's/^ *inet/middle inet/p'
          mkdir /tmp/www
          echo page of middle >/tmp/www/index.html
          httpd -p 80 -h /tmp/www
          until [ -e /alloc/data/front ] && [ -e /alloc/data/back ]; do usleep 50000; done
        EOT
        ]

        network_mode    = "strongbox-corpus-front"
        networks        = ["strongbox-corpus-back"]
        network_aliases = ["middle"]
      }
    }

    task "front" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until page=$(wget -qO- http://middle/); do usleep 100000; done
          echo front has $page
          until [ -e /alloc/data/back ]; do usleep 50000; done
          nslookup back || echo front does not see the back
          touch /alloc/data/front
        EOT
        ]

        network_mode = "strongbox-corpus-front"
      }
    }

    task "back" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until page=$(wget -qO- http://middle/); do usleep 100000; done
          echo back has $page
          touch /alloc/data/back
          until [ -e /alloc/data/front ]; do usleep 50000; done
        EOT
        ]

        network_mode    = "strongbox-corpus-back"
        network_aliases = ["back"]
      }
    }
  }
}
