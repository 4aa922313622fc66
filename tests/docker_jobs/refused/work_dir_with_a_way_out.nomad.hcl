# A directory that leads back up.
#
#> refused work_dir

job "work_dir_with_a_way_out" {
  type = "batch"

  group "main" {
    task "work_dir_with_a_way_out" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        work_dir = "/local/../proc"
      }
    }
  }
}
