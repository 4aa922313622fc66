# Less memory than nothing.
#
#> refused memory_hard_limit

job "memory_hard_limit_negative" {
  type = "batch"

  group "main" {
    task "memory_hard_limit_negative" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        memory_hard_limit = -1
      }
    }
  }
}
