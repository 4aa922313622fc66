# What is here is run, whatever the registry has.
#
#> registry
#> offers shop/moving:1
#> before docker tag strongbox/busybox:1 $REGISTRY/shop/moving:1
#> sees old

variable "registry" {
  type = string
}

job "pull_policy_missing" {
  type = "batch"

  group "main" {
    task "pull_policy_missing" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/moving:1"
        command = "sh"
        args    = ["-ec", "[ -n \"$IMAGE\" ] || IMAGE=old; echo $IMAGE"]

        pull_policy = "missing"
      }
    }
  }
}
