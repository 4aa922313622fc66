# What the engine's storage cannot do is told in its words, and nothing stays behind.
#
#> refused nosuchoption

job "storage_opt" {
  type = "batch"

  group "main" {
    task "storage_opt" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        storage_opt = {
          nosuchoption = "1"
        }
      }
    }
  }
}
