# And as a list of objects, as jobs in JSON have it.
#
#> artifact mkdir one && echo in a list >one/file
#> sees in a list

job "mounts_as_list" {
  type = "batch"

  group "main" {
    task "mounts_as_list" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "cat /one/file"]

        mounts = [
          {
            type   = "bind"
            source = "local/one"
            target = "/one"
          },
        ]
      }
    }
  }
}
