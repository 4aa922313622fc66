# Without a command the arguments are one.
#
#> sees said by the arguments

job "args_alone" {
  type = "batch"

  group "main" {
    task "args_alone" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        args = ["echo", "said by the arguments"]
      }
    }
  }
}
