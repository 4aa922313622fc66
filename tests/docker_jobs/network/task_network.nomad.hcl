# A task lives in the network of its neighbour.
#
#> sees page of neighbour

job "task_network" {
  type = "batch"

  group "main" {
    task "host_of_network" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mkdir /tmp/www
          echo page of neighbour >/tmp/www/index.html
          httpd -p 127.0.0.1:8080 -h /tmp/www
          until [ -e /alloc/data/done ]; do usleep 50000; done
        EOT
        ]
      }
    }

    task "guest_of_network" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          wget -qO- http://127.0.0.1:8080/
          touch /alloc/data/done
        EOT
        ]

        network_mode = "task:host_of_network"
      }
    }
  }
}
