# Go for tests/agent, new enough for today's go-plugin and go-cty. Debian's may be years older; it is new enough to fetch a
# newer one, which the module proxy serves as a module with its checksum in the public database.
# shellcheck shell=bash

GO_MINOR=25
GO_MODULE=golang.org/toolchain@v0.0.1-go1.25.5

ensure_go() {
  GO=$(go_command)
  if [ "$(go_minor "$GO")" -ge $GO_MINOR ]; then
    say "go: $("$GO" env GOVERSION) in $GO"
    return
  fi
  if [ "$(go_minor "$DEV/go/bin/go")" -ge $GO_MINOR ]; then
    GO=$DEV/go/bin/go
    say "go: $("$GO" env GOVERSION) in .dev/go"
    return
  fi
  fetch_go "$GO"
  say "go: fetched $("$DEV/go/bin/go" env GOVERSION) into .dev/go, because $GO is $("$GO" env GOVERSION)"
  GO=$DEV/go/bin/go
}

# 19 for go1.19.8; 0 where there is none.
go_minor() {
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || true
  [[ $version =~ ^go1\.([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# A module's files are neither executable nor writable, so they are copied.
fetch_go() {
  local old=$1 dir
  dir=$(cd "$DEV" && GO111MODULE=on "$old" mod download -json "$GO_MODULE.linux-$("$old" env GOARCH)" 2>"$DEV/go.log" 9>&- |
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || true
  [ -d "$dir" ] || die "could not fetch $GO_MODULE: $(tail -n2 "$DEV/go.log")"
  rm -rf "$DEV/go"
  cp -r "$dir" "$DEV/go"
  chmod -R u+w "$DEV/go"
  chmod +x "$DEV"/go/bin/* "$DEV"/go/pkg/tool/*/*
}
