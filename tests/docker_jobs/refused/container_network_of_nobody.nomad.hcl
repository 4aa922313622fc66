# A container that is not there.
#
#> refused network_mode "container:nobody

job "container_network_of_nobody" {
  type = "batch"

  group "main" {
    task "container_network_of_nobody" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        network_mode = "container:nobody-strongbox-corpus"
      }
    }
  }
}
