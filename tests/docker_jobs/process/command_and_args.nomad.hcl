# The arguments follow the command, each as one word.
#
#> sees one|two three|$HOME|

job "command_and_args" {
  type = "batch"

  group "main" {
    task "command_and_args" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "printf"
        args    = ["%s|", "one", "two three", "$HOME"]
      }
    }
  }
}
