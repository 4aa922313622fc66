# Shared by scripts/setup and scripts/teardown: places, one-line reports, pid files, bounded waits.
# shellcheck shell=bash

mkdir -p "$ROOT/.dev"
DEV=$(cd "$ROOT/.dev" && pwd -P) # resolved, because several checkouts may share one directory by a symlink
export DEBIAN_FRONTEND=noninteractive

say() { printf 'setup: %s\n' "$*"; }

die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

require_root() {
  [ "$(id -u)" = 0 ] || die "needs root (it installs packages and starts a Docker Engine); run it with sudo"
}

# Machine-wide, since the package manager and the engine's socket are. Daemons are started with 9>&- so that
# they do not hold the lock for their whole life.
one_at_a_time() {
  exec 9>/run/lock/strongbox-setup.lock
  flock -n 9 && return
  say "another set-up is running; waiting up to 10 minutes for it"
  flock -w 600 9 || die "another set-up has held /run/lock/strongbox-setup.lock for 10 minutes"
}

# wait_for SECONDS COMMAND...: polls until the command succeeds.
wait_for() {
  local tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

# is_running PIDFILE NAME: the pid file's process lives and is what we take it for; pids are re-used, so a number is no proof.
is_running() {
  local pid
  pid=$(head -n1 "$1" 2>/dev/null) && [ -n "$pid" ] && ! has_ended "$pid" && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]
}

# A zombie has ended too: where nobody reaps (an init-less container), it would answer kill -0 for ever.
has_ended() { case $(cat "/proc/$1/stat" 2>/dev/null) in '' | *') Z '*) true ;; *) false ;; esac }

# end_process PIDFILE NAME: asks, waits, and forces only what does not listen.
end_process() {
  local pid
  is_running "$1" "$2" || return 0
  pid=$(head -n1 "$1")
  kill -TERM "$pid"
  wait_for 30 has_ended "$pid" || kill -KILL "$pid"
  wait_for 5 has_ended "$pid" || die "$2 (pid $pid) does not end"
}

# Below the ephemeral range, so that no outgoing connection takes the port while the server is down.
free_port() {
  python3 - <<-'EOT'
		import random, socket
		while True:
		    port = random.randint(20000, 29999)
		    with socket.socket() as s:
		        try:
		            s.bind(("127.0.0.1", port))
		        except OSError:
		            continue
		    print(port)
		    break
	EOT
}
