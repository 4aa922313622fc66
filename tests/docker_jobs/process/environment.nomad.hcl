# Variables arrive as they are written, with what is known of task and node filled in.
#
#> sees plain: a b  c
#> sees quoted: "x" $HOME 'y'
#> sees filled: environment on linux
#> sees empty: <>

job "environment" {
  type = "batch"

  group "main" {
    task "environment" {
      driver = "docker"

      env {
        PLAIN  = "a b  c"
        QUOTED = "\"x\" $HOME 'y'"
        FILLED = "${NOMAD_TASK_NAME} on ${attr.kernel.name}"
        EMPTY  = ""
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo "plain: $PLAIN"
          echo "quoted: $QUOTED"
          echo "filled: $FILLED"
          echo "empty: <$EMPTY>"
        EOT
        ]
      }
    }
  }
}
