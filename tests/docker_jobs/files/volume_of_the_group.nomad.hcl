# The directory that the group's tasks share, at another place.
#
#> sees alloc/data is /shared

job "volume_of_the_group" {
  type = "batch"

  group "main" {
    task "volume_of_the_group" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo x >/shared/x; [ -e /alloc/data/x ] && echo alloc/data is /shared"]

        volumes = ["../alloc/data:/shared"]
      }
    }
  }
}
