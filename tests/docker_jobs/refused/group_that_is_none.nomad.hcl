# A group that could be none.
#
#> refused group_add

job "group_that_is_none" {
  type = "batch"

  group "main" {
    task "group_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        group_add = ["a b"]
      }
    }
  }
}
