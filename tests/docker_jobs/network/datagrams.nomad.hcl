# A port for datagrams, over which two programs talk with a key that both know.
#
#> sees up
#> outside sleep 2 | openssl s_client -dtls -psk 1234 -connect 127.0.0.1:$PORT_talk -quiet 2>/dev/null | head -1 | grep answer
#> sees answer by datagrams
#> stop
#> code 143
#> signalled 15

job "datagrams" {
  type = "batch"

  group "main" {
    network {
      port "talk" {
        to = 5353
      }
    }

    task "datagrams" {
      driver = "docker"

      config {
        image   = "strongbox/tls:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          echo up
          (while :; do echo answer by datagrams; sleep 0.2; done) | openssl s_server -4 -dtls -accept 5353 -nocert -psk 1234 -quiet
        EOT
        ]

        ports = ["talk/udp"]
        init  = true
      }
    }
  }
}
