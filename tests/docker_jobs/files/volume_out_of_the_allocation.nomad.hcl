# Nor is what is outside.
#
#> refused volumes
#> refused out of the allocation

job "volume_out_of_the_allocation" {
  type = "batch"

  group "main" {
    task "volume_out_of_the_allocation" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["../../../../etc:/x"]
      }
    }
  }
}
