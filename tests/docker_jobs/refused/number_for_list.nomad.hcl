# A number where a list belongs.
#
#> refused inappropriate value for argument "args"

job "number_for_list" {
  type = "batch"

  group "main" {
    task "number_for_list" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "true"
        args    = 3
      }
    }
  }
}
