# A name without a password.
#
#> refused auth
#> refused password

job "half_a_credential" {
  type = "batch"

  group "main" {
    task "half_a_credential" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        auth {
          username = "somebody"
        }
      }
    }
  }
}
