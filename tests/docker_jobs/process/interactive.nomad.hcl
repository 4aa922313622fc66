# Standard input stays open, and nothing comes.
#
#> sees still open

job "interactive" {
  type = "batch"

  group "main" {
    task "interactive" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "timeout 1 cat || echo still open"]

        interactive = true
      }
    }
  }
}
