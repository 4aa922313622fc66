# A list where a word belongs.
#
#> refused inappropriate value for argument "command"

job "wrong_type" {
  type = "batch"

  group "main" {
    task "wrong_type" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = ["true"]
      }
    }
  }
}
