# Less memory than the engine takes.
#
#> refused memory

job "memory_too_small" {
  type = "batch"

  group "main" {
    task "memory_too_small" {
      driver = "docker"

      resources {
        memory = 2
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
