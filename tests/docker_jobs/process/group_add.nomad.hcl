# The process belongs to further groups.
#
#> sees groups 0 4242 10001

job "group_add" {
  type = "batch"

  group "main" {
    task "group_add" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo groups $(id -G | xargs -n 1 echo | sort -n)"]

        group_add = ["app", "4242"]
      }
    }
  }
}
