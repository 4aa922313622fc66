# A credential that is refused is no hindrance where none is needed.
#
#> registry
#> offers shop/public:1
#> sees public:1

variable "registry" {
  type = string
}

job "auth_soft_fail" {
  type = "batch"

  group "main" {
    task "auth_soft_fail" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/public:1"
        command = "sh"
        args    = ["-ec", "echo $IMAGE"]

        auth_soft_fail = true

        auth {
          username = "puller"
          password = "wrong"
        }
      }
    }
  }
}
