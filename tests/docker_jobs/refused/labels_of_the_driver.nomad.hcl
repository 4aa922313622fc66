# Marks that say whose a container is.
#
#> refused strongbox.instance

job "labels_of_the_driver" {
  type = "batch"

  group "main" {
    task "labels_of_the_driver" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        labels = {
          "strongbox.instance" = "mine"
        }
      }
    }
  }
}
