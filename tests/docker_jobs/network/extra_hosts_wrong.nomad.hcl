# A name without an address.
#
#> refused extra_hosts "db"

job "extra_hosts_wrong" {
  type = "batch"

  group "main" {
    task "extra_hosts_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        extra_hosts = ["db"]
      }
    }
  }
}
