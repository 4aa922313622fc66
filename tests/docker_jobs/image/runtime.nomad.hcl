# The engine's usual runtime, by name.
#
#> sees ran
#> outside docker inspect -f '{{.HostConfig.Runtime}}' $CONTAINER
#> sees runc

job "runtime" {
  type = "batch"

  group "main" {
    task "runtime" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo ran"]

        runtime = "runc"
      }
    }
  }
}
