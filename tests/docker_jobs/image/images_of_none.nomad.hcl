# Nothing of the list is there.
#
#> registry
#> refused none of the images
#> refused shop/first:1
#> refused shop/second:1

variable "registry" {
  type = string
}

job "images_of_none" {
  type = "batch"

  group "main" {
    task "images_of_none" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/first:1"
        images  = ["${var.registry}/shop/second:1"]
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
