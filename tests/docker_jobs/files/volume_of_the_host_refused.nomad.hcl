# A path of the host that the operator does not list.
#
#> refused volumes "/etc:/x"
#> refused allow_host_paths

job "volume_of_the_host_refused" {
  type = "batch"

  group "main" {
    task "volume_of_the_host_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["/etc:/x"]
      }
    }
  }
}
