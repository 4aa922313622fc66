# Tasks of a group share a network: what one serves on the loopback address, the other asks for.
#
#> operator network {
#> operator   infra_image = "strongbox/pause:1"
#> operator }
#> sees page behind the proxy
#> sees both are shop

job "group" {
  type = "batch"

  group "main" {
    network {
      mode     = "bridge"
      hostname = "shop"
    }

    task "behind_proxy" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo page behind the proxy >/tmp/www/index.html
          httpd -p 127.0.0.1:8080 -h /tmp/www
          until [ -e /alloc/data/done ]; do usleep 50000; done
        EOT
        ]
      }
    }

    task "proxy" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until wget -qO- http://127.0.0.1:8080/; do usleep 50000; done
          [ "$(hostname)" = shop ] && echo both are shop
          touch /alloc/data/done
        EOT
        ]
      }
    }
  }
}
