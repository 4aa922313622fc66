# Without one the command is the first process.
#
#> sees pid 1 is sh

job "no_init" {
  type = "batch"

  group "main" {
    task "no_init" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo pid 1 is $(cat /proc/1/comm)"]
      }
    }
  }
}
