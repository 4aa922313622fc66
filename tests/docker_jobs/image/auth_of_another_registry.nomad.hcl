# A credential is for its own registry; this one is asked without, and lets everybody in.
#
#> registry
#> offers shop/public:1
#> sees public:1

variable "registry" {
  type = string
}

job "auth_of_another_registry" {
  type = "batch"

  group "main" {
    task "auth_of_another_registry" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/public:1"
        command = "sh"
        args    = ["-ec", "echo $IMAGE"]

        auth {
          username       = "puller"
          password       = "wrong"
          server_address = "https://registry.example"
        }
      }
    }
  }
}
