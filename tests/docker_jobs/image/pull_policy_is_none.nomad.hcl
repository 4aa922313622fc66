# A policy that is none.
#
#> refused pull_policy
#> refused always, missing or never

job "pull_policy_is_none" {
  type = "batch"

  group "main" {
    task "pull_policy_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        pull_policy = "sometimes"
      }
    }
  }
}
