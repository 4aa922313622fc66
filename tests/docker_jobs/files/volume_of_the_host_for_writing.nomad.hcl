# And not for writing.
#
#> operator volumes {
#> operator   allow_host_paths = ["/var/tmp/strongbox-corpus:ro"]
#> operator }
#> refused for reading only

job "volume_of_the_host_for_writing" {
  type = "batch"

  group "main" {
    task "volume_of_the_host_for_writing" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        volumes = ["/var/tmp/strongbox-corpus/set:/data"]
      }
    }
  }
}
