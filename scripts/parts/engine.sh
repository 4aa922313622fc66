# A Docker Engine on the usual socket: the machine's own, else one that we start.
# shellcheck shell=bash

DOCKER_SOCKET=/var/run/docker.sock
ENGINE_PID=$DEV/dockerd.pid
ENGINE_LOG=$DEV/dockerd.log
CONTAINERD_RUN=/var/run/docker/containerd

ensure_engine() {
  if engine_answers; then
    say "docker engine: $(engine_version) answers on $DOCKER_SOCKET"
    return
  fi
  command -v dockerd >/dev/null || die "no engine answers on $DOCKER_SOCKET and there is no dockerd to start"
  start_engine
  say "docker engine: started $(engine_version), log in $ENGINE_LOG"
}

engine_answers() {
  [ -S "$DOCKER_SOCKET" ] && [ "$(curl -s -m 5 --unix-socket "$DOCKER_SOCKET" http://engine/_ping 2>/dev/null)" = OK ]
}

engine_version() {
  curl -s -m 5 --unix-socket "$DOCKER_SOCKET" http://engine/version |
    python3 -c 'import json, sys; v = json.load(sys.stdin); print(v["Version"], "(API %s)" % v["ApiVersion"])'
}

# Each round takes away what the last one stumbled over: leftovers first, then the storage driver, then the packet filter.
start_engine() {
  local options=() round
  for round in 1 2 3 4; do
    clear_leftovers
    launch_engine "${options[@]}"
    wait_for 40 engine_answers_or_died
    engine_answers && return
    end_process "$ENGINE_PID" dockerd
    say "docker engine: try $round failed: $(tail -n1 "$ENGINE_LOG" | cut -c1-200)"
    if grep -qiE 'graph ?driver|overlay|storage' <(tail -n5 "$ENGINE_LOG"); then
      options+=(--storage-driver=vfs)
    elif grep -qiE 'iptables|nftables' <(tail -n5 "$ENGINE_LOG"); then
      options+=(--iptables=false --ip6tables=false)
    fi
  done
  die "dockerd does not start; see $ENGINE_LOG"
}

launch_engine() {
  PATH=$PATH:/usr/sbin:/sbin setsid dockerd --host "unix://$DOCKER_SOCKET" --pidfile "$ENGINE_PID" "$@" \
    >"$ENGINE_LOG" 2>&1 </dev/null 9>&- &
  ENGINE_CHILD=$!
}

engine_answers_or_died() { engine_answers || has_ended "$ENGINE_CHILD"; }

# A killed engine leaves pid files and sockets. The engine takes any living process with the old number for itself and
# gives up, so a file whose process is something else goes away first.
clear_leftovers() {
  local file
  for file in "$ENGINE_PID" /var/run/docker.pid; do
    if is_running "$file" dockerd; then
      [ "$file" = "$ENGINE_PID" ] || die "a dockerd (pid $(cat "$file")) runs but does not answer on $DOCKER_SOCKET; mend or stop it"
      end_process "$file" dockerd
    fi
    rm -f "$file"
  done
  end_process "$CONTAINERD_RUN/containerd.pid" containerd
  rm -f "$CONTAINERD_RUN"/containerd.pid "$CONTAINERD_RUN"/*.sock "$CONTAINERD_RUN"/*.sock.ttrpc
  [ ! -S "$DOCKER_SOCKET" ] || rm -f "$DOCKER_SOCKET"
}

stop_engine() {
  if ! is_running "$ENGINE_PID" dockerd; then
    say "docker engine: none of ours runs"
    return
  fi
  end_process "$ENGINE_PID" dockerd
  rm -f "$ENGINE_PID"
  say "docker engine: stopped"
}

# The first client that this engine accepts; a newer one in front of it on PATH may refuse an older engine.
docker_cli() {
  local file
  for file in $(type -ap docker) /usr/bin/docker; do
    [ -x "$file" ] || continue
    if ! engine_answers || "$file" version >/dev/null 2>&1; then
      echo "$file"
      return
    fi
  done
  return 1
}
