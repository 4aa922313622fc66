# A name that no registry could have.
#
#> refused image

job "image_of_strange_letters" {
  type = "batch"

  group "main" {
    task "image_of_strange_letters" {
      driver = "docker"

      config {
        image   = "Strong Box/Ü:1"
        command = "sh"
        args    = ["-ec", "true"]
      }
    }
  }
}
