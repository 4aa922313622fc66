# A batch job that reads, computes, and leaves a result.
#
#> sees sum 500500
#> outside cat $ALLOC/alloc/data/sum
#> sees 500500

job "batch" {
  type = "batch"

  group "main" {
    task "batch" {
      driver = "docker"

      resources {
        cpu    = 500
        memory = 64
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          seq 1000 | awk '{ sum += $1 } END { print sum }' >/alloc/data/sum
          echo sum $(cat /alloc/data/sum)
        EOT
        ]
      }
    }
  }
}
