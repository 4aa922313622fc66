# The file must lie there.
#
#> refused load

job "load_from_elsewhere" {
  type = "batch"

  group "main" {
    task "load_from_elsewhere" {
      driver = "docker"

      config {
        image   = "strongbox/loaded:2"
        command = "sh"
        args    = ["-ec", "true"]

        load = "../../../../etc/passwd"
      }
    }
  }
}
