# The registry wants another password; neither it nor the wrong one is told to anybody.
#
#> registry password tls
#> offers shop/private:1
#> refused shop/private:1
#> refused auth block

variable "registry" {
  type = string
}

job "auth_wrong" {
  type = "batch"

  group "main" {
    task "auth_wrong" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/private:1"
        command = "sh"
        args    = ["-ec", "true"]

        auth {
          username = "puller"
          password = "wrong"
        }
      }
    }
  }
}
