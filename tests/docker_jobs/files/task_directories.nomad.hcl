# The three directories of every task can be written; one is in RAM.
#
#> sees alloc local secrets
#> sees secrets is tmpfs
#> sees tmp

job "task_directories" {
  type = "batch"

  group "main" {
    task "task_directories" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          for dir in $NOMAD_ALLOC_DIR/data $NOMAD_TASK_DIR $NOMAD_SECRETS_DIR; do echo x >$dir/file; done
          echo alloc local secrets
          grep -q ' /secrets tmpfs ' /proc/mounts && echo secrets is tmpfs
          echo x >/tmp/file && echo tmp
        EOT
        ]
      }
    }
  }
}
