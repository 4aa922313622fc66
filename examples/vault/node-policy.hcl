# For the hand of a person or a script on a node, after a reboot or the loss of the driver: it ends what tasks left behind, by ids from
# the driver's journal. It reads no secret, makes no token, and lists nothing. The driver does not use it: it revokes tasks' tokens by
# themselves, and what it cannot revoke expires.

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
