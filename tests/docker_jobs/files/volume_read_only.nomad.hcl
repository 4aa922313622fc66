# For reading only.
#
#> artifact echo from the artifact >read_me
#> sees from the artifact
#> sees cannot be written

job "volume_read_only" {
  type = "batch"

  group "main" {
    task "volume_read_only" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cat /srv/read_me
          touch /srv/x 2>/dev/null || echo cannot be written
        EOT
        ]

        volumes = ["local:/srv:ro"]
      }
    }
  }
}
