# What job "timeline" may ask for, beside task-policy.hcl. For another job copy the file and replace the word.

path "kv/data/timeline" {
  capabilities = ["read"]
}

path "database/creds/timeline" {
  capabilities = ["read"]
}

# Signing only: the key never leaves the node, so "issue" is not granted.
path "pki_int/sign/timeline" {
  capabilities = ["update"]
}

# Asks for the certificate's own key as proof; plain "revoke" would take any serial number.
path "pki_int/revoke-with-key" {
  capabilities = ["update"]
}
