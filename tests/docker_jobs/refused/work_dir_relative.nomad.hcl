# A directory that is relative to nothing.
#
#> refused work_dir

job "work_dir_relative" {
  type = "batch"

  group "main" {
    task "work_dir_relative" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        work_dir = "local"
      }
    }
  }
}
