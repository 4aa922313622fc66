# A type that is none.
#
#> refused type

job "mount_of_unknown_type" {
  type = "batch"

  group "main" {
    task "mount_of_unknown_type" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "image"
          target = "/x"
        }
      }
    }
  }
}
