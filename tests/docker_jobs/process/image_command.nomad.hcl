# Without any of them the image's own command runs; here it is a shell, which waits for its input and does not listen to
# a stop.
#
#> exec tr '\0' ' ' </proc/1/cmdline
#> sees sh
#> stop
#> code 137
#> signalled 9

job "image_command" {
  type = "batch"

  group "main" {
    task "image_command" {
      driver = "docker"

      kill_timeout = "1s"

      config {
        image = "strongbox/busybox:1"

        interactive = true
      }
    }
  }
}
