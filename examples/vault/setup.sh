#!/usr/bin/env bash
# Configures a Vault or OpenBao server for job "timeline": engines, roles, policies, auth mounts. May be run again at any time.
#
#   VAULT_ADDR, VAULT_TOKEN       the server and a token that may configure it (BAO_ADDR, BAO_TOKEN as well)
#   CLI                           bao or vault; default: the first of them on PATH
#   PG_HOST PG_PORT PG_USER PG_PASSWORD PG_DATABASE
#                                 a PostgreSQL account that may create roles; without PG_HOST the database engine is left out
#   PSQL                          psql, for database.sql; default: the one on PATH
#   JWKS_URL (JWKS_CA)            where Nomad publishes its keys, e.g. https://nomad:4646/.well-known/jwks.json, and a CA file
#   NOMAD_PUBKEY                  or: a file with Nomad's public key in PEM
#   NODE_PUBKEY                   a file with the public keys of the nodes in PEM, for JWTs that the driver signs
#   NODE_TOKEN_FILE               where to write a token with node-policy.hcl; without it none is made
#   JOB, NAMESPACE                another job, made after the same pattern; default timeline, default
#   TOKEN_PERIOD, DB_TTL          shorter lives, for trying rotation; default 15m, 1h
set -euo pipefail

# What the caller names is meant from where the caller stands.
for name in JWKS_CA NOMAD_PUBKEY NODE_PUBKEY NODE_TOKEN_FILE; do
  [ -z "${!name:-}" ] || printf -v "$name" %s "$(realpath -m -- "${!name}")"
done
cd "$(dirname "${BASH_SOURCE[0]}")"

job=${JOB:-timeline} namespace=${NAMESPACE:-default}
cli=${CLI:-$(command -v bao || command -v vault || true)}
[ -n "$cli" ] || { echo "setup.sh: neither bao nor vault is on PATH; name one with CLI=" >&2; exit 1; }
export VAULT_ADDR=${BAO_ADDR:-${VAULT_ADDR:-}} VAULT_TOKEN=${BAO_TOKEN:-${VAULT_TOKEN:-}}
unset BAO_ADDR BAO_TOKEN
[ -n "$VAULT_ADDR" ] && [ -n "$VAULT_TOKEN" ] || { echo "setup.sh: set VAULT_ADDR and VAULT_TOKEN" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
  enable_mounts
  together public_key_infrastructure database auth_mounts roles_and_policies
  [ -z "${NODE_TOKEN_FILE:-}" ] || node_token
  echo "setup.sh: job $job of namespace $namespace is configured at $VAULT_ADDR"
}

# Each call of the CLI costs a process and a round trip, so that independent ones run side by side.
together() {
  local step pids=() pid status=0
  for step in "$@"; do
    $step &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  return $status
}

# The name is fixed before the command runs: a redirection may be made by the command's own process, with another id.
quietly() {
  local log=$work/out.$BASHPID
  "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}
write() { quietly "$cli" write "$@"; }

# field NAME ARGS...: one field of the answer. The server's remarks on it are shown only when the call fails.
field() {
  local name=$1 log=$work/err.$BASHPID
  shift
  "$cli" write -field="$name" "$@" 2>"$log" || { cat "$log" >&2; return 1; }
}

# The files speak of job "timeline" in namespace "default"; another job is the same text with other words.
for_job() { sed -e "s/timeline/$job/g" -e "s#ns/default/#ns/$namespace/#; s/\"nomad_namespace\": \"default\"/\"nomad_namespace\": \"$namespace\"/" "$1"; }

enable_mounts() {
  "$cli" read -format=json sys/mounts >"$work/mounts"
  "$cli" read -format=json sys/auth >"$work/auths"
  together mount_kv mount_pki mount_pki_int mount_database mount_jwt_nomad mount_jwt_strongbox
  "$cli" read -format=json sys/auth >"$work/auths"
}

mount_kv() { mounted kv/ || quietly "$cli" secrets enable -path=kv -version=2 kv; }
mount_pki() { mounted pki/ || quietly "$cli" secrets enable -max-lease-ttl=87600h pki; }
mount_pki_int() { mounted pki_int/ || quietly "$cli" secrets enable -path=pki_int -max-lease-ttl=43800h pki; }
mount_database() { [ -z "${PG_HOST:-}" ] || mounted database/ || quietly "$cli" secrets enable database; }
mount_jwt_nomad() { auth_mounted jwt-nomad/ || quietly "$cli" auth enable -path=jwt-nomad jwt; }
mount_jwt_strongbox() { auth_mounted jwt-strongbox/ || quietly "$cli" auth enable -path=jwt-strongbox jwt; }
mounted() { grep -q "^ *\"$1\": {" "$work/mounts"; }
auth_mounted() { grep -q "^ *\"$1\": {" "$work/auths"; }

# A root that signs one intermediate and then rests; the intermediate signs for the tasks. Neither key leaves the server.
public_key_infrastructure() {
  if ! "$cli" list pki_int/issuers >/dev/null 2>&1; then
    field certificate pki/root/generate/internal common_name="Strongbox Root CA" key_type=ec key_bits=256 \
      ttl=87600h >"$work/root.pem"
    field csr pki_int/intermediate/generate/internal common_name="Strongbox Intermediate CA" key_type=ec \
      key_bits=256 >"$work/intermediate.csr"
    field certificate pki/root/sign-intermediate csr=@"$work/intermediate.csr" \
      common_name="Strongbox Intermediate CA" ttl=43800h >"$work/intermediate.pem"
    { cat "$work/intermediate.pem" && echo && cat "$work/root.pem"; } >"$work/chain.pem"
    write pki_int/intermediate/set-signed certificate=@"$work/chain.pem"
  fi
  # The names of this job's tasks and no other's: <task>.<group>.<job>.<namespace>.strongbox.internal.
  write "pki_int/roles/$job" allowed_domains="*.$job.$namespace.strongbox.internal" allow_glob_domains=true \
    allow_subdomains=false allow_bare_domains=false allow_wildcard_certificates=false allow_localhost=false allow_ip_sans=false \
    allowed_uri_sans="spiffe://strongbox.internal/ns/$namespace/job/$job/*" require_cn=false key_type=any \
    server_flag=true client_flag=true ttl=1h max_ttl=24h no_store=false generate_lease=false
}

# Revoking ends open sessions too; a role that is gone already is no error, or the server would try for ever.
database() {
  [ -n "${PG_HOST:-}" ] || return 0
  local name=${PG_DATABASE:-postgres}
  for_job database.sql | PGPASSWORD=$PG_PASSWORD quietly "${PSQL:-psql}" -qX -v ON_ERROR_STOP=1 -h "$PG_HOST" \
    -p "${PG_PORT:-5432}" -U "$PG_USER" -d "$name"
  write "database/config/$job" plugin_name=postgresql-database-plugin allowed_roles="$job" username="$PG_USER" \
    password="$PG_PASSWORD" \
    connection_url="postgresql://{{username}}:{{password}}@$PG_HOST:${PG_PORT:-5432}/$name?sslmode=${PG_SSLMODE:-prefer}"
  write "database/roles/$job" db_name="$job" default_ttl="${DB_TTL:-1h}" max_ttl=24h \
    creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE ${job}_reader" \
    renew_statements="ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}'" \
    revocation_statements="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'; DROP ROLE IF EXISTS \"{{name}}\""
}

auth_mounts() {
  if [ -n "${JWKS_URL:-}" ]; then
    write auth/jwt-nomad/config jwks_url="$JWKS_URL" ${JWKS_CA:+jwks_ca_pem=@"$JWKS_CA"} jwt_supported_algs=RS256,EdDSA,ES256
  elif [ -n "${NOMAD_PUBKEY:-}" ]; then
    write auth/jwt-nomad/config jwt_validation_pubkeys=@"$NOMAD_PUBKEY" jwt_supported_algs=RS256,EdDSA,ES256
  fi
  [ -z "${NODE_PUBKEY:-}" ] ||
    write auth/jwt-strongbox/config jwt_validation_pubkeys=@"$NODE_PUBKEY" bound_issuer=strongbox jwt_supported_algs=ES256
}

roles_and_policies() {
  local mount accessor policy
  policy=$(cat task-policy.hcl)
  for mount in nomad strongbox; do
    accessor=$(grep -o "\"auth_jwt_[^\"]*\"\|\"jwt-$mount/\"" "$work/auths" | grep -A1 "jwt-$mount/" | tail -n1 | tr -d '"')
    policy=${policy//@jwt-$mount@/$accessor}
    # A key that is in the file and on the command line too would become a list of both.
    for_job "jwt-role-$mount.json" | sed "s/\"token_period\": \"[^\"]*\"/\"token_period\": \"${TOKEN_PERIOD:-15m}\"/" \
      >"$work/role-$mount.json"
    write "auth/jwt-$mount/role/$job" @"$work/role-$mount.json"
  done
  quietly "$cli" policy write strongbox-task - <<<"$policy"
  for_job timeline-policy.hcl | quietly "$cli" policy write "$job" -
  quietly "$cli" policy write strongbox-node node-policy.hcl
}

node_token() {
  (umask 077 && "$cli" token create -orphan -period=24h -no-default-policy -policy=strongbox-node -display-name=strongbox-node \
    -field=token >"$NODE_TOKEN_FILE")
}

main
