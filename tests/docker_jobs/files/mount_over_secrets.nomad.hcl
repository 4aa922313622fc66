# The secrets' directory is not covered.
#
#> refused /run/secrets

job "mount_over_secrets" {
  type = "batch"

  group "main" {
    task "mount_over_secrets" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        mount {
          type   = "tmpfs"
          target = "/run/secrets"
        }
      }
    }
  }
}
