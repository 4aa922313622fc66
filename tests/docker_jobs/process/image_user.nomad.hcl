# Without a user it is the image's.
#
#> sees 10001

job "image_user" {
  type = "batch"

  group "main" {
    task "image_user" {
      driver = "docker"

      config {
        image = "strongbox/app:1"

        command = "id"
        args    = ["-u"]
      }
    }
  }
}
