# The older way to write them.
#
#> sees runs
#> outside docker inspect -f '{{index .Config.Labels "one"}}{{index .Config.Labels "two"}}' $CONTAINER
#> sees 12

job "labels_list" {
  type = "batch"

  group "main" {
    task "labels_list" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo runs"]

        labels = [
          {
            one = "1"
          },
          {
            two = "2"
          },
        ]
      }
    }
  }
}
