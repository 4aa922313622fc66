# A word where labels belong.
#
#> refused labels

job "labels_that_are_none" {
  type = "batch"

  group "main" {
    task "labels_that_are_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        labels = "front"
      }
    }
  }
}
