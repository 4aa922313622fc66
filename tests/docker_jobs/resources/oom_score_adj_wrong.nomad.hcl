# The kernel's scale ends at a thousand.
#
#> refused oom_score_adj

job "oom_score_adj_wrong" {
  type = "batch"

  group "main" {
    task "oom_score_adj_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        oom_score_adj = 1001
      }
    }
  }
}
