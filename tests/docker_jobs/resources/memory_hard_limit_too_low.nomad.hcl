# Less than what is reserved makes no sense.
#
#> refused memory_hard_limit

job "memory_hard_limit_too_low" {
  type = "batch"

  group "main" {
    task "memory_hard_limit_too_low" {
      driver = "docker"

      resources {
        memory = 32
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        memory_hard_limit = 16
      }
    }
  }
}
