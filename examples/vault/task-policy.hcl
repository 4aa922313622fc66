# What every task's token may do: read its own job's KV tree and look after itself and what it was lent.
#
# The paths follow who logged in: namespace and job are alias metadata, which the JWT role copies from the signed claims.
# Each auth mount has aliases of its own, hence one line per mount; the rule of the mount that a token did not come from
# has no metadata and vanishes. setup.sh replaces @jwt-nomad@ and @jwt-strongbox@ by the accessors of the mounts.
#
# Database and PKI roles are not here: their names are one flat word, in which (namespace, job) pairs could meet
# ("a-b" + "c" and "a" + "b-c"). They are granted job by job, see timeline-policy.hcl.

path "kv/data/{{identity.entity.aliases.@jwt-nomad@.metadata.nomad_namespace}}/{{identity.entity.aliases.@jwt-nomad@.metadata.nomad_job_id}}/*" {
  capabilities = ["read"]
}

path "kv/data/{{identity.entity.aliases.@jwt-strongbox@.metadata.nomad_namespace}}/{{identity.entity.aliases.@jwt-strongbox@.metadata.nomad_job_id}}/*" {
  capabilities = ["read"]
}

# The token itself. The roles leave the default policy out, so these are all it has.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}

path "sys/capabilities-self" {
  capabilities = ["update"]
}

# Leases are addressed by ids that only their owner was told. Revoking is needed when a rotation replaces a lease.
path "sys/leases/lookup" {
  capabilities = ["update"]
}

path "sys/leases/renew" {
  capabilities = ["update"]
}

path "sys/leases/revoke" {
  capabilities = ["update"]
}
