# Who goes first when memory is short.
#
#> sees 500

job "oom_score_adj" {
  type = "batch"

  group "main" {
    task "oom_score_adj" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /proc/self/oom_score_adj"]

        oom_score_adj = 500
      }
    }
  }
}
