# All rights, where the operator gives them and the engine has them to give.
#
#> operator container {
#> operator   allow_privileged = true
#> operator }
#> where docker run --rm --privileged --network none strongbox/busybox:1 true
#> elsewhere EngineRefused: start container
#> sees mounted
#> sees devices of the host

job "privileged" {
  type = "batch"

  group "main" {
    task "privileged" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          mount -t tmpfs none /tmp && echo mounted
          [ -e /dev/loop-control ] || [ -e /dev/mem ] || [ -e /dev/kmsg ] && echo devices of the host
        EOT
        ]

        privileged = true
      }
    }
  }
}
