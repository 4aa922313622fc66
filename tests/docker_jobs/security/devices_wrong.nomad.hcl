# There are three permissions.
#
#> refused cgroup_permissions

job "devices_wrong" {
  type = "batch"

  group "main" {
    task "devices_wrong" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        devices {
          host_path          = "/dev/zero"
          cgroup_permissions = "rwx"
        }
      }
    }
  }
}
