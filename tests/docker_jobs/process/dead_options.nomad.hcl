# Options that do nothing in the built-in driver do nothing here, and that is told.
#
#> sees ran all the same
#> event isolation has no effect
#> event container_exists_attempts has no effect

job "dead_options" {
  type = "batch"

  group "main" {
    task "dead_options" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo ran all the same"]

        isolation                 = "process"
        container_exists_attempts = 3
      }
    }
  }
}
