# Output that the job does not want collected is still the engine's to tell.
#
#> outside docker logs $CONTAINER
#> sees only for the engine

job "collection_disabled" {
  type = "batch"

  group "main" {
    task "collection_disabled" {
      driver = "docker"

      logs {
        disabled = true
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo only for the engine"]
      }
    }
  }
}
