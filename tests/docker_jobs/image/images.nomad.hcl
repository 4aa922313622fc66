# The first that can be had is run; those before it are told, those after it are left alone.
#
#> registry
#> offers shop/second:1
#> offers shop/third:1
#> sees second:1
#> event shop/first:1 not to be had
#> outside ! docker image inspect $REGISTRY/shop/third:1 >/dev/null 2>&1 && echo the third was not pulled
#> sees the third was not pulled

variable "registry" {
  type = string
}

job "images" {
  type = "batch"

  group "main" {
    task "images" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/first:1"
        images  = ["${var.registry}/shop/second:1", "${var.registry}/shop/third:1"]
        command = "sh"
        args    = ["-ec", "echo $IMAGE"]
      }
    }
  }
}
