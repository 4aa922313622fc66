# A single file over one of the image's.
#
#> artifact echo "nobody knows this" >motd
#> sees nobody knows this

job "volume_file" {
  type = "batch"

  group "main" {
    task "volume_file" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /etc/motd"]

        volumes = ["local/motd:/etc/motd:ro"]
      }
    }
  }
}
