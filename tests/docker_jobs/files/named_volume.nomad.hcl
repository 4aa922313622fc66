# A volume of the engine, filled from the image at its first use; it stays when the task goes.
#
#> operator volumes {
#> operator   allow_named   = true
#> operator   allow_drivers = ["local"]
#> operator }
#> sees from the image: passwd
#> sees kept
#> outside docker run --rm --network none -v strongbox-corpus-named:/v strongbox/busybox:1 cat /v/kept
#> sees to be kept
#> after docker volume rm -f strongbox-corpus-named

job "named_volume" {
  type = "batch"

  group "main" {
    task "named_volume" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo from the image: $(ls /etc | grep passwd)
          echo to be kept >/etc/kept && echo kept
        EOT
        ]

        mount {
          type   = "volume"
          target = "/etc"
          source = "strongbox-corpus-named"
        }
      }
    }
  }
}
