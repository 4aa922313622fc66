# Two tasks hand data over in the directory that they share.
#
#> sees got: a word from the writer

job "sidecar" {
  type = "batch"

  group "main" {
    task "writer" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "echo a word from the writer >/alloc/data/part; mv /alloc/data/part /alloc/data/word"]
      }
    }

    task "reader" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          until [ -e /alloc/data/word ]; do usleep 50000; done
          echo got: $(cat /alloc/data/word)
        EOT
        ]
      }
    }
  }
}
