# Each task of a group finds its own hosts and servers; both find the group's name.
#
#> operator network { infra_image = "strongbox/pause:1" }
#> sees one: 172.26.64.3 shop, 10.0.0.9 db, 172.26.64.1 outside
#> sees two: 172.26.64.3 shop, 10.0.0.8 cache
#> sees two asks 10.0.0.53
#> sees one cannot write

job "group_hosts" {
  type = "batch"

  group "main" {
    network {
      mode     = "bridge"
      hostname = "shop"
    }

    task "group_hosts_one" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "echo one: $(sed -n '/shop/,$p' /etc/hosts | tr '\\t' ' ' | paste -sd, | sed 's/,/, /g'); echo x 2>/dev/null >>/etc/hosts || echo one cannot write"]

        extra_hosts = ["db:10.0.0.9", "outside:host-gateway"]
      }
    }

    task "group_hosts_two" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "echo two: $(sed -n '/shop/,$p' /etc/hosts | tr '\\t' ' ' | paste -sd, | sed 's/,/, /g'); echo two asks $(sed -n 's/nameserver //p' /etc/resolv.conf)"]

        extra_hosts = ["cache:10.0.0.8"]
        dns_servers = ["10.0.0.53"]
      }
    }
  }
}
