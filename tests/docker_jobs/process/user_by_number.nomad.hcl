# A user and a group that the image does not know.
#
#> sees 4711 4712
#> sees wrote

job "user_by_number" {
  type = "batch"

  group "main" {
    task "user_by_number" {
      driver = "docker"

      user = "4711:4712"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo $(id -u) $(id -g); echo x >/local/x; echo wrote"]
      }
    }
  }
}
