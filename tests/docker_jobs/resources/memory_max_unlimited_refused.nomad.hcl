# All of the machine's memory is for the operator to give.
#
#> refused memory_max
#> refused allow_unlimited_memory

job "memory_max_unlimited_refused" {
  type = "batch"

  group "main" {
    task "memory_max_unlimited_refused" {
      driver = "docker"

      resources {
        memory     = 32
        memory_max = -1
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
