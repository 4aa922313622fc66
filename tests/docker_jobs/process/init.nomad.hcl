# A small init is the first process and reaps what the command leaves.
#
#> sees pid 1 is docker-init
#> sees no zombies

job "init" {
  type = "batch"

  group "main" {
    task "init" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo pid 1 is $(cat /proc/1/comm)
          # An orphan that ends before anybody waits for it.
          sh -c 'true & exec true'
          until ! grep -qs 'State:.Z' /proc/[0-9]*/status; do usleep 20000; done
          echo no zombies
        EOT
        ]

        init = true
      }
    }
  }
}
