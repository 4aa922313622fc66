# What Nomad tells every task.
#
#> sees /alloc /local /secrets
#> sees nomad_variables main nomad_variables 0
#> sees cpu 250 memory 48
#> sees meta: inner inner outer
#> shows alloc nomad_variables.main[0] is

job "nomad_variables" {
  type = "batch"

  group "main" {
    meta {
      word  = "outer"
      other = "outer"
    }

    task "nomad_variables" {
      driver = "docker"

      meta {
        word = "inner"
      }

      resources {
        cpu    = 250
        memory = 48
      }

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo $NOMAD_ALLOC_DIR $NOMAD_TASK_DIR $NOMAD_SECRETS_DIR
          echo $NOMAD_JOB_ID $NOMAD_GROUP_NAME $NOMAD_TASK_NAME $NOMAD_ALLOC_INDEX
          echo cpu $NOMAD_CPU_LIMIT memory $NOMAD_MEMORY_LIMIT
          echo meta: $NOMAD_META_word $NOMAD_META_WORD $NOMAD_META_other
          echo alloc $NOMAD_ALLOC_NAME is $NOMAD_ALLOC_ID
        EOT
        ]
      }
    }
  }
}
