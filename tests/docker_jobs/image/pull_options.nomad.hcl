# An image that is there is not pulled, whatever is said of pulling.
#
#> sees ran

job "pull_options" {
  type = "batch"

  group "main" {
    task "pull_options" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo ran"]

        image_pull_timeout = "30s"
        auth_soft_fail     = true

        auth {
          username       = "nobody"
          password       = "nothing"
          email          = "nobody@example"
          server_address = "https://registry.example"
        }
      }
    }
  }
}
