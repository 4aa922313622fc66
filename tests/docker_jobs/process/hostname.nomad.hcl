# The container has a name of its own.
#
#> sees I am web-1
#> sees web-1 is known

job "hostname" {
  type = "batch"

  group "main" {
    task "hostname" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo I am $(hostname); grep -q web-1 /etc/hosts && echo web-1 is known"]

        hostname = "web-1"
      }
    }
  }
}
