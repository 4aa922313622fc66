# From a registry that wants a password and speaks TLS.
#
#> registry password tls
#> offers shop/private:1
#> sees private:1

variable "registry" {
  type = string
}

job "auth" {
  type = "batch"

  group "main" {
    task "auth" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/private:1"
        command = "sh"
        args    = ["-ec", "echo $IMAGE"]

        auth {
          username       = "puller"
          password       = "right>>>>>??????? words"
          server_address = "https://${var.registry}"
        }
      }
    }
  }
}
