# A directory through which a container once was left.
#
#> refused work_dir

job "work_dir_of_proc" {
  type = "batch"

  group "main" {
    task "work_dir_of_proc" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        work_dir = "/proc/self/fd/8"
      }
    }
  }
}
