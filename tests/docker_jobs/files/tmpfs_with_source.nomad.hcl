# Memory comes from nowhere.
#
#> refused source

job "tmpfs_with_source" {
  type = "batch"

  group "main" {
    task "tmpfs_with_source" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "tmpfs"
          target = "/cache"
          source = "local"
        }
      }
    }
  }
}
