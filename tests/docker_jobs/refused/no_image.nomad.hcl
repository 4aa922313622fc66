# The one thing that must be said.
#
#> refused "image" is required

job "no_image" {
  type = "batch"

  group "main" {
    task "no_image" {
      driver = "docker"

      config {
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
