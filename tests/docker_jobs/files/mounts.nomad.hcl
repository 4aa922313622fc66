# The older name of the blocks, both side by side.
#
#> artifact mkdir one two && echo 1 >one/file && echo 2 >two/file
#> sees 1 and 2

job "mounts" {
  type = "batch"

  group "main" {
    task "mounts" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo $(cat /one/file) and $(cat /two/file)"]

        mounts {
          type   = "bind"
          source = "local/one"
          target = "/one"
        }

        mount {
          type   = "bind"
          source = "local/two"
          target = "/two"
        }
      }
    }
  }
}
