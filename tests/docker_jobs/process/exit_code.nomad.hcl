# The end's code is the command's.
#
#> sees going
#> code 42

job "exit_code" {
  type = "batch"

  group "main" {
    task "exit_code" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo going; exit 42"]
      }
    }
  }
}
