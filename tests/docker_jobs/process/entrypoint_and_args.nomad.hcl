# An entrypoint that is a shell takes its script as an argument.
#
#> sees script and its word

job "entrypoint_and_args" {
  type = "batch"

  group "main" {
    task "entrypoint_and_args" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        entrypoint = ["sh", "-c"]
        args       = ["echo script and $0", "its word"]
      }
    }
  }
}
