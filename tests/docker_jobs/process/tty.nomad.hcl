# With a terminal both outputs are one.
#
#> sees a terminal
#> sees said to stderr

job "tty" {
  type = "batch"

  group "main" {
    task "tty" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "[ -t 1 ] && [ -t 2 ] && echo a terminal; echo said to stderr >&2"]

        tty = true
      }
    }
  }
}
