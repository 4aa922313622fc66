# Debian's `docker-registry`, the program alone: the package would also make a user and start a service on port 5000.
# shellcheck shell=bash

ensure_registry() {
  local place
  if "$DEV/bin/docker-registry" --version >/dev/null 2>&1; then
    say "registry: $("$DEV/bin/docker-registry" --version | cut -d' ' -f3)"
    return
  fi
  if command -v docker-registry >/dev/null; then
    mkdir -p "$DEV/bin" && ln -sfn "$(command -v docker-registry)" "$DEV/bin/docker-registry"
    say "registry: the machine's own"
    return
  fi
  command -v apt-get >/dev/null || die "missing: docker-registry; without apt-get it must be installed by hand"
  place=$(mktemp -d)
  (cd "$place" && { apt-get download -q docker-registry || { apt-get update -q && apt-get download -q docker-registry; }; } &&
    dpkg-deb -x docker-registry_*.deb x) >"$DEV/registry.log" 2>&1 9>&- </dev/null ||
    die "docker-registry could not be fetched: $(tail -n1 "$DEV/registry.log")"
  mkdir -p "$DEV/bin"
  install -m 0755 "$place/x/usr/bin/docker-registry" "$DEV/bin/docker-registry"
  rm -rf "$place"
  "$DEV/bin/docker-registry" --version >/dev/null 2>&1 || die "the fetched docker-registry does not run"
  say "registry: put $("$DEV/bin/docker-registry" --version | cut -d' ' -f3) into .dev/bin; it is started by the tests that need it"
}
