# A user that could be none.
#
#> refused user

job "user_is_none" {
  type = "batch"

  group "main" {
    task "user_is_none" {
      driver = "docker"

      user = "a b"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
