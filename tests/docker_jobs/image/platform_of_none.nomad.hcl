# It is not for this machine.
#
#> registry
#> offers shop/several:1 amd64 arm64
#> refused shop/several:1
#> refused linux/s390x

variable "registry" {
  type = string
}

job "platform_of_none" {
  type = "batch"

  group "main" {
    task "platform_of_none" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/several:1"
        command = "sh"
        args    = ["-ec", "true"]

        platform = "linux/s390x"
      }
    }
  }
}
