# Names that only this container knows.
#
#> sees 192.0.2.7
#> sees 2001:db8::7
#> sees the host is there

job "extra_hosts" {
  type = "batch"

  group "main" {
    task "extra_hosts" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          awk '$2 == "db" { print $1 }' /etc/hosts
          awk '$2 == "six" { print $1 }' /etc/hosts
          grep -q 'gateway' /etc/hosts && echo the host is there
        EOT
        ]

        extra_hosts = ["db:192.0.2.7", "six:2001:db8::7", "gateway:host-gateway"]
      }
    }
  }
}
