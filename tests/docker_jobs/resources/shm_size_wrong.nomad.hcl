# Less than nothing.
#
#> refused shm_size

job "shm_size_wrong" {
  type = "batch"

  group "main" {
    task "shm_size_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        shm_size = -1
      }
    }
  }
}
