# The last words need no end of line.
#
#> sees last words

job "no_newline" {
  type = "batch"

  group "main" {
    task "no_newline" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "printf"
        args    = ["last words"]
      }
    }
  }
}
