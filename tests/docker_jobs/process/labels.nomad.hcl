# Labels are for whoever asks the engine; those of the driver stand beside them.
#
#> sees runs
#> outside docker inspect -f '{{index .Config.Labels "team"}} of {{index .Config.Labels "tier"}}' $CONTAINER
#> sees front of main
#> outside docker inspect -f '{{index .Config.Labels "strongbox.task_id"}}' $CONTAINER
#> shows /labels/

job "labels" {
  type = "batch"

  group "main" {
    task "labels" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo runs"]

        labels {
          team = "front"
          tier = "${NOMAD_GROUP_NAME}"
        }
      }
    }
  }
}
