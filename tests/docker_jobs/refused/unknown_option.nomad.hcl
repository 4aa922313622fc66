# An option that nobody knows, with its likely spelling.
#
#> refused no argument or block type is named "comand"
#> refused did you mean "command"

job "unknown_option" {
  type = "batch"

  group "main" {
    task "unknown_option" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        comand = "true"
      }
    }
  }
}
