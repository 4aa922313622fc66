# Who wants more memory than there is, is killed, and that is told.
#
#> sees wanting more
#> code 137
#> signalled 9
#> out of memory

job "out_of_memory" {
  type = "batch"

  group "main" {
    task "out_of_memory" {
      driver = "docker"

      resources {
        memory = 16
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo wanting more; exec tail /dev/zero"]
      }
    }
  }
}
