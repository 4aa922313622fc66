# The image comes out of a file that lies in the task's directory.
#
#> before docker rmi -f strongbox/loaded:1 >/dev/null 2>&1; docker tag strongbox/busybox:1 strongbox/loaded:1
#> artifact docker save -o image.tar strongbox/loaded:1 && docker rmi strongbox/loaded:1
#> sees out of the file
#> after docker rmi -f strongbox/loaded:1

job "load" {
  type = "batch"

  group "main" {
    task "load" {
      driver = "docker"

      config {
        image   = "strongbox/loaded:1"
        command = "sh"
        args    = ["-ec", "echo out of the file"]

        load = "image.tar"
      }
    }
  }
}
