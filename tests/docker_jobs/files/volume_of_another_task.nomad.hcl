# Another task's directory is nobody's business.
#
#> refused volumes
#> refused another task

job "volume_of_another_task" {
  type = "batch"

  group "main" {
    task "volume_of_another_task" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["../other/secrets:/x"]
      }
    }
  }
}
