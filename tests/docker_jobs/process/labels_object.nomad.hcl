# Names with dots are written as an object.
#
#> sees runs
#> outside docker inspect -f '{{index .Config.Labels "com.example.tier"}}' $CONTAINER
#> sees dotted

job "labels_object" {
  type = "batch"

  group "main" {
    task "labels_object" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo runs"]

        labels = {
          "com.example.tier" = "dotted"
        }
      }
    }
  }
}
