# A command without arguments.
#
#> sees uid=0(root) gid=0(root) groups=0(root)

job "command_alone" {
  type = "batch"

  group "main" {
    task "command_alone" {
      driver = "docker"

      config {
        image = "strongbox/busybox:1"

        command = "id"
      }
    }
  }
}
