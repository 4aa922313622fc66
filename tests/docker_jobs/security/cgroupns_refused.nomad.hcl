# And not otherwise.
#
#> refused cgroupns "host"
#> refused allowed_modes.cgroup

job "cgroupns_refused" {
  type = "batch"

  group "main" {
    task "cgroupns_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        cgroupns = "host"
      }
    }
  }
}
