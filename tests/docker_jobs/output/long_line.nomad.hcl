# A line longer than the engine's own pieces stays one.
#
#> shows begin--------------------

job "long_line" {
  type = "batch"

  group "main" {
    task "long_line" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          printf begin
          head -c 40000 /dev/zero | tr '\0' -
          echo end
        EOT
        ]
      }
    }
  }
}
