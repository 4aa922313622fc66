# The command starts in another directory.
#
#> sees in /local

job "work_dir" {
  type = "batch"

  group "main" {
    task "work_dir" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo in $(pwd)"]

        work_dir = "/local"
      }
    }
  }
}
