# The operator's plugin block, for a server on this machine. `bao server -dev` listens at this address.
plugin "nomad-driver-strongbox" {
  config {
    state_dir   = "/var/lib/nomad-driver-strongbox"
    runtime_dir = "/run/strongbox"

    vault {
      address          = "http://127.0.0.1:8200"
      allow_plain_http = true
    }

    # Tasks log in with the identity that Nomad, or the harness, signed for them.
    auth {
      method = "nomad"
      mount  = "jwt-nomad"
    }

    # Without a rule nothing is delivered.
    allow {
      namespace = "default"
      job       = "timeline"
      group     = "*"
      task      = "*"
      roles     = ["timeline"]
      paths     = ["kv/data/timeline", "database/creds/timeline"]
      pki       = ["pki_int/timeline"]
    }

    allow {
      job   = "mtls"
      roles = ["mtls"]
      pki   = ["pki_int/mtls"]
    }
  }
}
