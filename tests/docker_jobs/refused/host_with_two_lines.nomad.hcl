# A line that would bring another with it.
#
#> refused extra_hosts

job "host_with_two_lines" {
  type = "batch"

  group "main" {
    task "host_with_two_lines" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        extra_hosts = ["db:10.0.0.1\n10.0.0.2 evil"]
      }
    }
  }
}
