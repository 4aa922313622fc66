# Debian packages, asked for only when what they bring is missing.
# shellcheck shell=bash

ensure_packages() {
  local missing
  missing=$(missing_packages)
  if [ -z "$missing" ]; then
    say "packages: all there"
    return
  fi
  command -v apt-get >/dev/null || die "missing: $missing; without apt-get (Debian, Ubuntu) they must be installed by hand"
  say "packages: installing $missing"
  # shellcheck disable=SC2086 # a list of words
  { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } \
    >"$DEV/apt.log" 2>&1 9>&- </dev/null || die "apt-get failed; the end of $DEV/apt.log: $(tail -n3 "$DEV/apt.log")"
}

missing_packages() {
  local list=()
  engine_answers || command -v dockerd >/dev/null || list+=(docker.io iptables)
  docker_cli >/dev/null || list+=(docker.io)
  [ -x "$(pg_bin initdb)" ] && [ -x "$(pg_bin psql)" ] || list+=(postgresql)
  command -v openssl >/dev/null || list+=(openssl)
  [ -s /etc/ssl/certs/ca-certificates.crt ] || list+=(ca-certificates)
  command -v keytool >/dev/null || list+=(default-jre-headless)
  command -v ssh-keygen >/dev/null || list+=(openssh-client)
  [ -n "$(busybox_static)" ] || list+=(busybox-static)
  command -v ip >/dev/null || list+=(iproute2)
  command -v curl >/dev/null || list+=(curl)
  has_venv || list+=(python3-venv)
  command -v cc >/dev/null || list+=(gcc libc6-dev)
  [ -n "$(go_command)" ] || list+=(golang-go)
  printf '%s\n' "${list[@]}" | sort -u | xargs
}

# Debian splits ensurepip off python3; a venv without it has no pip.
has_venv() { [ -x "$DEV/venv/bin/pip" ] || python3 -c 'import venv, ensurepip' 2>/dev/null; }

go_command() {
  command -v go || { [ ! -x /usr/local/go/bin/go ] || echo /usr/local/go/bin/go; }
}

# The package's own file: another busybox on PATH may be a dynamic one, which no empty image can run.
busybox_static() {
  local file
  for file in /bin/busybox /usr/bin/busybox; do
    if [ -x "$file" ] && ! ldd "$file" >/dev/null 2>&1; then
      readlink -f "$file"
      return
    fi
  done
}
