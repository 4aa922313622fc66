# A time that is none.
#
#> refused image_pull_timeout

job "pull_timeout_is_none" {
  type = "batch"

  group "main" {
    task "pull_timeout_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        image_pull_timeout = "soon"
      }
    }
  }
}
