# What goes to the two outputs arrives, each line once.
#
#> sees to stdout
#> sees to stderr

job "both_streams" {
  type = "batch"

  group "main" {
    task "both_streams" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo to stdout; echo to stderr >&2"]
      }
    }
  }
}
