# One with labels, of a driver that the operator lists, and without the image's files.
#
#> operator volumes {
#> operator   allow_named   = true
#> operator   allow_drivers = ["local"]
#> operator }
#> sees empty
#> outside docker volume inspect -f '{{.Labels.team}} {{.Driver}} {{.Options.type}} {{.Options.device}}' strongbox-corpus-options
#> sees front local tmpfs tmpfs
#> sees in memory
#> after docker volume rm -f strongbox-corpus-options

job "volume_options" {
  type = "batch"

  group "main" {
    task "volume_options" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          [ -z "$(ls -A /home)" ] && echo empty
          grep -q ' /home tmpfs ' /proc/mounts && echo in memory
        EOT
        ]

        mount {
          type   = "volume"
          target = "/home"
          source = "strongbox-corpus-options"

          volume_options {
            no_copy = true

            labels {
              team = "front"
            }

            driver_config {
              name = "local"

              options {
                type   = "tmpfs"
                device = "tmpfs"
              }
            }
          }
        }
      }
    }
  }
}
