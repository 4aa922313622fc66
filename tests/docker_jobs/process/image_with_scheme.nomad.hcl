# A scheme before the image's name is dropped, as people paste it.
#
#> sees found

job "image_with_scheme" {
  type = "batch"

  group "main" {
    task "image_with_scheme" {
      driver = "docker"

      config {
        image   = "https://strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo found"]
      }
    }
  }
}
