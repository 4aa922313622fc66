# Two tasks talk mutual TLS, each with a certificate that the driver made for it. Nobody handed a key around.
#
# `JOB=mtls examples/vault/setup.sh` tells the server of the job; the operator's block needs a rule for it, as plugin.hcl has.

job "mtls" {
  type = "batch"

  group "pair" {
    task "server" {
      driver = "strongbox"

      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }

      config {
        image   = "strongbox/tls:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          # Tasks of a group share /alloc.
          hostname -i >/alloc/data/server
          cd /run/secrets/tls
          # One connection, from somebody with a certificate of our CA, and the work is done.
          exec openssl s_server -accept 4433 -naccept 1 -www -Verify 4 -verify_return_error \
            -cert cert.pem -cert_chain cert.pem -key key.pem -CAfile ca.pem
        EOT
        ]

        certificate "tls" {}
      }
    }

    task "client" {
      driver = "strongbox"

      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }

      env {
        SERVER = "server.${NOMAD_GROUP_NAME}.${NOMAD_JOB_ID}.${NOMAD_NAMESPACE}.strongbox.internal"
      }

      config {
        image   = "strongbox/tls:1"
        command = "sh"
        args    = ["-ec", <<-EOT
          cd /run/secrets/tls
          ask() {
            printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -quiet -connect "$(cat /alloc/data/server):4433" \
              -cert cert.pem -cert_chain cert.pem -key key.pem -CAfile ca.pem -verify_return_error -verify_hostname "$SERVER"
          }
          until ask >/tmp/page 2>/tmp/talk; do sleep 0.2; done
          grep -q 'HTTP/1.0 200' /tmp/page
          echo "talked with $SERVER"
        EOT
        ]

        certificate "tls" {}
      }
    }
  }
}
