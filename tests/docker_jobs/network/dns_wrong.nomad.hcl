# A server is an address.
#
#> refused dns_servers[0]

job "dns_wrong" {
  type = "batch"

  group "main" {
    task "dns_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        dns_servers = ["dns.example"]
      }
    }
  }
}
