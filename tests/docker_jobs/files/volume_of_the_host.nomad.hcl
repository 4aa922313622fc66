# One that the operator lists for reading.
#
#> operator volumes {
#> operator   allow_host_paths = ["/var/tmp/strongbox-corpus:ro"]
#> operator }
#> before mkdir -p /var/tmp/strongbox-corpus/set && echo of the host >/var/tmp/strongbox-corpus/set/file
#> sees of the host
#> sees cannot be written
#> after rm -rf /var/tmp/strongbox-corpus

job "volume_of_the_host" {
  type = "batch"

  group "main" {
    task "volume_of_the_host" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cat /data/file
          touch /data/x 2>/dev/null || echo cannot be written
        EOT
        ]

        volumes = ["/var/tmp/strongbox-corpus/set:/data:ro"]
      }
    }
  }
}
