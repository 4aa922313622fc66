# A worker that handles work until it is told to end, and finishes what it has begun.
#
#> sees handled 3
#> stop
#> sees finished in order
#> code 0

job "restart_of_a_shell_loop" {
  type = "batch"

  group "main" {
    task "worker" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          going=yes
          trap 'going=' TERM
          n=0
          while [ $going ]; do
            n=$((n + 1))
            echo handled $n
            usleep 50000
          done
          echo finished in order
        EOT
        ]
      }
    }
  }
}
