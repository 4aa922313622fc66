# What a node's own token may do: end what its tasks left behind, by ids from the driver's journal. It reads no secret, makes no
# token, and lists nothing. Optional: without one, tasks' tokens are revoked by themselves and, failing that, expire.

path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}

path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}

path "sys/leases/revoke" {
  capabilities = ["update"]
}

# To stay alive.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
