# A private PostgreSQL cluster on loopback. It holds nothing worth keeping, so it trades durability for speed.
# shellcheck shell=bash

PG_LOG=$DEV/pg.log

ensure_postgres() {
  local data
  data=$(pg_data_dir)
  [ -s "$DEV/pg.password" ] && [ -s "$data/PG_VERSION" ] || create_cluster "$data"
  if [ -s "$DEV/pg.port" ] && postgres_answers; then
    say "postgresql: answers on 127.0.0.1:$(cat "$DEV/pg.port")"
    return
  fi
  start_cluster "$data"
  say "postgresql: started on 127.0.0.1:$(cat "$DEV/pg.port"), log in $PG_LOG"
}

# The newest installed version's program, since Debian puts them outside PATH.
pg_bin() {
  local dir
  dir=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n1)
  echo "${dir:-/usr/lib/postgresql/none/bin}/$1"
}

# The server refuses to run as root.
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@" 9>&-; }

# .dev/pg, or a place outside when the checkout lies where user postgres cannot go (such as /root).
pg_data_dir() {
  if (cd / && as_postgres test -x "$DEV"); then
    echo "$DEV/pg"
  else
    echo "/var/tmp/strongbox-pg-$(printf %s "$DEV" | sha256sum | cut -c1-12)"
  fi
}

create_cluster() {
  local data=$1 password_file
  stop_postgres >/dev/null
  rm -rf "$data"
  install -d -o postgres -g postgres -m 0700 "$data"
  (umask 077 && openssl rand -hex 20 >"$DEV/pg.password")
  password_file=$(mktemp)
  chown postgres "$password_file" && cat "$DEV/pg.password" >"$password_file"
  (cd / && as_postgres "$(pg_bin initdb)" -D "$data" -U strongbox_admin --pwfile="$password_file" \
    --auth=scram-sha-256 -E UTF8 --locale=C --no-sync) >"$DEV/initdb.log" 2>&1 || die "initdb failed; see $DEV/initdb.log"
  rm -f "$password_file"
  say "postgresql: made a cluster in $data"
}

start_cluster() {
  local data=$1 port
  is_running "$data/postmaster.pid" postgres || rm -f "$data/postmaster.pid"
  port=$(cat "$DEV/pg.port" 2>/dev/null || true)
  if [ -z "$port" ] || port_taken "$port"; then port=$(free_port); fi
  echo "$port" >"$DEV/pg.port"
  write_pg_config "$data" "$port"
  touch "$PG_LOG" && chown postgres "$PG_LOG"
  # The server opens its log through our descriptor, so that the directory of the log may be closed to it.
  (cd / && as_postgres setsid "$(pg_bin pg_ctl)" -D "$data" -w -t 30 start) >>"$PG_LOG" 2>&1 </dev/null ||
    die "postgresql does not start: $(tail -n2 "$PG_LOG")"
  postgres_answers || die "postgresql started but refuses user strongbox_admin on port $port; see $PG_LOG"
}

write_pg_config() {
  cat >"$1/strongbox.conf" <<-EOT
		listen_addresses = '127.0.0.1'
		port = $2
		unix_socket_directories = ''
		max_connections = 200
		fsync = off
		full_page_writes = off
		synchronous_commit = off
	EOT
  chown postgres "$1/strongbox.conf"
  grep -q strongbox.conf "$1/postgresql.conf" || echo "include 'strongbox.conf'" >>"$1/postgresql.conf"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

postgres_answers() {
  PGPASSWORD=$(cat "$DEV/pg.password") PGCONNECT_TIMEOUT=5 "$(pg_bin psql)" -qAt -h 127.0.0.1 \
    -p "$(cat "$DEV/pg.port")" -U strongbox_admin -d postgres -c 'select 1' >/dev/null 2>&1
}

# SIGTERM would wait for every client to leave; SIGINT is the server's fast shutdown.
stop_postgres() {
  local data pid
  data=$(pg_data_dir)
  if ! is_running "$data/postmaster.pid" postgres; then
    say "postgresql: none of ours runs"
    return
  fi
  pid=$(head -n1 "$data/postmaster.pid")
  kill -INT "$pid"
  wait_for 20 has_ended "$pid" || die "postgresql (pid $pid) does not stop"
  say "postgresql: stopped"
}
