# Of an image for several machines the one that is asked for.
#
#> registry
#> offers shop/several:1 amd64 arm64 s390x
#> sees s390x

variable "registry" {
  type = string
}

job "platform" {
  type = "batch"

  group "main" {
    task "platform" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/several:1"
        command = "sh"
        args    = ["-ec", "echo $IMAGE"]

        platform = "linux/s390x"
      }
    }
  }
}
