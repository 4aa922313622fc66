# So are plugins that make them.
#
#> refused volume_driver "local"
#> refused allow_drivers

job "volume_driver_refused" {
  type = "batch"

  group "main" {
    task "volume_driver_refused" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volume_driver = "local"
        volumes       = ["name:/data"]
      }
    }
  }
}
