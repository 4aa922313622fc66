# A name that is a path would be a way to the host.
#
#> refused mount at "/x"

job "volume_name_that_is_a_path" {
  type = "batch"

  group "main" {
    task "volume_name_that_is_a_path" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "volume"
          target = "/x"
          source = "/etc"
        }
      }
    }
  }
}
