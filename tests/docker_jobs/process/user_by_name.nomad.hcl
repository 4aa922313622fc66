# The task's user is one of the image.
#
#> sees uid=10001(app) gid=10001(app) groups=10001(app)

job "user_by_name" {
  type = "batch"

  group "main" {
    task "user_by_name" {
      driver = "docker"

      user = "app"

      config {
        image = "strongbox/busybox:1"

        command = "id"
      }
    }
  }
}
