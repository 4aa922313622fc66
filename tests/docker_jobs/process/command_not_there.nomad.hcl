# A program that is not in the image fails the start, in words that name it.
#
#> refused nosuchprogram

job "command_not_there" {
  type = "batch"

  group "main" {
    task "command_not_there" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "nosuchprogram"
      }
    }
  }
}
