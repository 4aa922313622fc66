# The config may name variables, too.
#
#> sees task config_interpolated of main in default

job "config_interpolated" {
  type = "batch"

  group "main" {
    task "config_interpolated" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "echo"
        args    = ["task", "${NOMAD_TASK_NAME}", "of", "${env["NOMAD_GROUP_NAME"]}", "in", "${NOMAD_NAMESPACE}"]
      }
    }
  }
}
