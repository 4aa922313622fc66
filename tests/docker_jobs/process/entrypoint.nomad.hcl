# The entrypoint comes before command and arguments.
#
#> sees entry point command argument

job "entrypoint" {
  type = "batch"

  group "main" {
    task "entrypoint" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        entrypoint = ["echo", "entry", "point"]
        command    = "command"
        args       = ["argument"]
      }
    }
  }
}
