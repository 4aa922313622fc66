# Servers, domains and options of the resolver.
#
#> sees nameserver 192.0.2.53
#> sees search corp.example example
#> sees options ndots:2 timeout:1

job "dns" {
  type = "batch"

  group "main" {
    task "dns" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /etc/resolv.conf"]

        dns_servers        = ["192.0.2.53"]
        dns_search_domains = ["corp.example", "example"]
        dns_options        = ["ndots:2", "timeout:1"]
      }
    }
  }
}
