# What a node's own login may do, whether by secret id, certificate or token file: make tokens of the token roles that are
# named here, one line for each job that may run on the node, and stay alive. It reads no secret itself. "create/*" would let
# a node make a token for every job of the cluster.

path "auth/token/create/timeline" {
  capabilities = ["update"]
}

# A token out of a file is looked at before it is used.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
