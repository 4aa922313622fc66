# The policy is stronger than the older option; what is here only runs.
#
#> sees ran

job "pull_policy_over_force" {
  type = "batch"

  group "main" {
    task "pull_policy_over_force" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo ran"]

        force_pull  = true
        pull_policy = "never"
      }
    }
  }
}
