# The registry is not asked, although it could help.
#
#> registry
#> offers shop/absent:1
#> refused shop/absent:1
#> refused pull_policy "never"

variable "registry" {
  type = string
}

job "pull_policy_never" {
  type = "batch"

  group "main" {
    task "pull_policy_never" {
      driver = "docker"

      config {
        image   = "${var.registry}/shop/absent:1"
        command = "sh"
        args    = ["-ec", "true"]

        pull_policy = "never"
      }
    }
  }
}
