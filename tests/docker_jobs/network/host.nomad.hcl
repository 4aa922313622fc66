# The host's network, where the operator opens it.
#
#> operator container {
#> operator   allow_host_network = true
#> operator }
#> sees up
#> outside [ "$(docker exec $CONTAINER readlink /proc/1/ns/net)" = "$(readlink /proc/self/ns/net)" ] && echo the same network
#> sees the same network
#> stop
#> code 0

job "host" {
  type = "batch"

  group "main" {
    task "host" {
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

        network_mode = "host"
      }
    }
  }
}
