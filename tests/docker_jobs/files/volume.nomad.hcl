# A directory of the task's own at another place; it is made when it is not there.
#
#> sees the same
#> outside cat $ALLOC/volume/local/data/file
#> sees written inside

job "volume" {
  type = "batch"

  group "main" {
    task "volume" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo written inside >/data/file
          cmp /data/file /local/data/file && echo the same
        EOT
        ]

        volumes = ["local/data:/data"]
      }
    }
  }
}
