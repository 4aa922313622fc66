# A command that begins with a blank.
#
#> refused command: begins or ends with white space

job "command_with_blanks" {
  type = "batch"

  group "main" {
    task "command_with_blanks" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = " true"
      }
    }
  }
}
