# Without one neither output is a terminal.
#
#> sees no terminal

job "no_tty" {
  type = "batch"

  group "main" {
    task "no_tty" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "[ -t 1 ] || [ -t 2 ] || echo no terminal"]
      }
    }
  }
}
