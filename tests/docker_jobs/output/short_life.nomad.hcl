# What a task says that lives for a moment is there.
#
#> sees here and gone

job "short_life" {
  type = "batch"

  group "main" {
    task "short_life" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "echo"
        args    = ["here and gone"]
      }
    }
  }
}
