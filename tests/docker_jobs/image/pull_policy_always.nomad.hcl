# What the registry has is run, although an older one of the name is here.
#
#> registry
#> offers shop/moving:1
#> before docker tag strongbox/busybox:1 $REGISTRY/shop/moving:1
#> sees moving:1

variable "registry" {
  type = string
}

job "pull_policy_always" {
  type = "batch"

  group "main" {
    task "pull_policy_always" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/moving:1"
        command = "sh"
        args    = ["-ec", "[ -n \"$IMAGE\" ] || IMAGE=old; echo $IMAGE"]

        pull_policy = "always"
      }
    }
  }
}
