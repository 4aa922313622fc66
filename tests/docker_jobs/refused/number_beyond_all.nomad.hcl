# More than fits.
#
#> refused shm_size

job "number_beyond_all" {
  type = "batch"

  group "main" {
    task "number_beyond_all" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        shm_size = 99999999999999999999
      }
    }
  }
}
