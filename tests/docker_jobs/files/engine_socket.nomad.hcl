# Who holds the engine's socket is root on the host.
#
#> operator volumes {
#> operator   allow_host_paths = ["/"]
#> operator }
#> refused socket

job "engine_socket" {
  type = "batch"

  group "main" {
    task "engine_socket" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["/var/run/docker.sock:/var/run/docker.sock"]
      }
    }
  }
}
