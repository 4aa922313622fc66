# A namespace of the host, where the operator opens it.
#
#> operator allowed_modes {
#> operator   cgroup = ["host"]
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/self/ns/cgroup)" = "$(readlink /proc/self/ns/cgroup)" ] && echo the same cgroup
#> sees the same cgroup
#> stop

job "cgroupns" {
  type = "batch"

  group "main" {
    task "cgroupns" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          trap 'exit 0' TERM
          echo up
          while :; do sleep 0.1; done
        EOT
        ]

        cgroupns = "host"
      }
    }
  }
}
