# The older way to name a volume and its driver.
#
#> operator volumes {
#> operator   allow_named   = true
#> operator   allow_drivers = ["local"]
#> operator }
#> sees kept
#> outside docker volume inspect -f '{{.Driver}}' strongbox-corpus-driver
#> sees local
#> after docker volume rm -f strongbox-corpus-driver

job "volume_driver" {
  type = "batch"

  group "main" {
    task "volume_driver" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo x >/data/x && echo kept"]

        volume_driver = "local"
        volumes       = ["strongbox-corpus-driver:/data"]
      }
    }
  }
}
