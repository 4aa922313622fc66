# An image that is nowhere.
#
#> refused nosuch

job "image_not_there" {
  type = "batch"

  group "main" {
    task "image_not_there" {
      driver = "docker"

      config {
        image   = "strongbox/nosuch:1"
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
