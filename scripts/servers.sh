#!/usr/bin/env bash
# Owns one private source server, MariaDB or MySQL, and one private PostgreSQL for development, tests and the demo, in
# .servers/ of the project (ETL_SYNC_SERVERS_DIR names another folder, so several sets can live side by side). Servers
# that already run on the machine are never touched. In the names of variables MARIADB stands for the source server,
# also when it is MySQL: they are older than the choice, and settings of existing sets hold them.
# Usage: scripts/servers.sh up | down [--keep] | status | env | install
#        eval "$(scripts/servers.sh env)"      takes addresses and passwords into the shell
# Settings, read when a server starts: see the text of "scripts/servers.sh help".
set -euo pipefail
umask 077

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
DIR=${ETL_SYNC_SERVERS_DIR:-$REPO/.servers}
[[ $DIR == /* ]] || DIR=$PWD/$DIR
SETTINGS=$DIR/settings
DEADLINE=${ETL_SYNC_SERVERS_DEADLINE:-90} # seconds for a start or a stop; crash recovery may need more
SOCKET_LIMIT=107                          # longest path that fits a unix socket address

# Filled from $SETTINGS.
SOURCE_SERVER=mariadb WAREHOUSE_SERVER=15 # sets that are older than the choice have nothing else
BASE='' RUN='' MARIADB_PORT='' PG_PORT='' MARIADB_ROOT_PW='' MARIADB_PW='' PG_ADMIN_PW='' PG_PW=''
# Set by find_binaries, find_newer, set_paths and server_pid.
MARIADBD='' MARIADB_INSTALL_DB='' MARIADB_CLIENT='' PG_BIN='' PSQL='' NEWER='' SOURCE_NAME=MariaDB SERVER_PID=''

say() { printf '%s\n' "$*" >&2; }
die() { printf 'servers.sh: %s\n' "$*" >&2; exit 1; }

usage() {
  cat <<'TEXT'
scripts/servers.sh COMMAND

  up            start both servers (install, create, restart: whatever is missing)
  down          stop them and remove their folder; down --keep only stops them
  status        what runs, with ports and pids; exit 0 when both run, 3 when not
  env           print export lines with addresses, accounts and pid files
  install       install the packages (Debian, Ubuntu; needs root or sudo)

Environment:
  ETL_SYNC_SERVERS_DIR           the folder (default: .servers in the project)
  ETL_SYNC_SOURCE_SERVER         mariadb (default) or mysql, which is MySQL 9.7; chosen once, by the first up
  ETL_SYNC_WAREHOUSE_SERVER      15 (default) or 18, the version of PostgreSQL; chosen once, by the first up
  ETL_SYNC_SERVERS_DEADLINE      seconds to wait for a start or a stop (90)
  ETL_SYNC_MARIADB_BUFFER_POOL   innodb-buffer-pool-size (512M)
  ETL_SYNC_PG_SHARED_BUFFERS     shared_buffers (256MB)
  ETL_SYNC_MARIADB_OPTS          more options for mariadbd or mysqld, such as "--log-bin --server-id=7"
  ETL_SYNC_PG_OPTS               more options for postgres, such as "-c synchronous_commit=off"
Settings apply when a server starts: after a change run "down --keep", then "up".
MySQL 9.7 and PostgreSQL 18 come from scripts/newer-servers.sh; up exits with 4 when they cannot be had here.
TEXT
}

# --- who runs what ---------------------------------------------------------------------------------------------

# Both servers refuse root or should not have it, so root hands them to the packages' own users.
set_users() {
  if ((EUID == 0)); then
    MARIADB_USER=mysql PG_USER=postgres
  else
    MARIADB_USER=$(id -un) PG_USER=$MARIADB_USER
  fi
}

as() { # as USER COMMAND...: from a directory that this user may enter
  local user=$1
  shift
  if ((EUID == 0)); then
    (cd / && exec runuser -u "$user" -- "$@")
  else
    (cd / && exec "$@")
  fi
}

find_binaries() {
  local dir
  MARIADBD=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mariadbd || true)
  MARIADB_INSTALL_DB=$(command -v mariadb-install-db || true)
  MARIADB_CLIENT=$(command -v mariadb || true)
  PG_BIN=''
  # 15 is the version that the project is measured with; a newer one serves as well.
  while read -r dir; do
    [[ -x $dir/initdb && -x $dir/postgres ]] && PG_BIN=$dir && break
  done < <(printf '/usr/lib/postgresql/15/bin\n'; printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr)
  if [[ -z $PG_BIN ]] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
    PG_BIN=$(dirname "$(readlink -f "$(command -v postgres)")")
  fi
  PSQL=$PG_BIN/psql
  [[ -x $PSQL ]] || PSQL=$(command -v psql || true)
  [[ -n $MARIADBD && -n $MARIADB_INSTALL_DB && -n $MARIADB_CLIENT && -n $PG_BIN && -n $PSQL ]]
}

# Servers that Debian 12 does not have. The clients stay those of its packages.
find_newer() {
  [[ $SOURCE_SERVER == mysql || $WAREHOUSE_SERVER == 18 ]] || return 0
  NEWER=$("$REPO/scripts/newer-servers.sh") || exit # its status says whether they can be had at all
  [[ $SOURCE_SERVER != mysql ]] || MARIADBD=$NEWER/usr/sbin/mysqld
  [[ $WAREHOUSE_SERVER != 18 ]] || PG_BIN=$NEWER/usr/lib/postgresql/18/bin
}

# --- install ---------------------------------------------------------------------------------------------------

install_packages() {
  local -a sudo=()
  local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/etl-sync-servers.conf
  command -v apt-get >/dev/null ||
    die "needs mariadb-server (10.11 or newer) and PostgreSQL 15 or newer; this machine has no apt-get, so install them by its own means"
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "mariadb-server and postgresql-15 are missing; run as root: apt-get install mariadb-server postgresql-15"
    sudo=(sudo)
  fi
  say "installing mariadb-server and postgresql-15"
  # Neither package shall start a server or make a cluster of its own here. Both files go away afterwards.
  UNDO=() SUDO=("${sudo[@]}")
  trap undo_install EXIT
  if [[ ! -e $policy ]]; then
    UNDO+=("$policy")
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
  fi
  if [[ ! -e $cluster ]]; then
    UNDO+=("$cluster")
    [[ -d ${cluster%/*} ]] || UNDO+=("${cluster%/*}")
    "${sudo[@]}" install -d -m 755 "${cluster%/*}"
    printf 'create_main_cluster = false\n' | "${sudo[@]}" tee "$cluster" >/dev/null
    "${sudo[@]}" chmod 644 "$cluster"
  fi
  "${sudo[@]}" apt-get update -q >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-server postgresql-15 >&2
  undo_install
  trap - EXIT
}

undo_install() {
  local path
  for path in "${UNDO[@]}"; do
    if [[ -d $path ]]; then
      "${SUDO[@]}" rmdir --ignore-fail-on-non-empty "$path"
    else
      "${SUDO[@]}" rm -f "$path"
    fi
  done
}

# --- the folder and its settings -------------------------------------------------------------------------------

lock() {
  [[ ! -d $DIR || -e $SETTINGS || -e $DIR/lock || -z $(ls -A "$DIR") ]] ||
    die "$DIR holds other files; name an empty or a new folder in ETL_SYNC_SERVERS_DIR"
  # down removes the folder with its lock, so whoever waited for it has to look again.
  while :; do
    (umask 022 && mkdir -p "$DIR") # the servers' users must get through the folders above
    exec 9>"$DIR/lock"
    flock -w $((DEADLINE * 2)) 9 || die "another servers.sh works in $DIR"
    [[ $DIR/lock -ef /dev/fd/9 ]] && return
  done
}

load_settings() {
  [[ -e $SETTINGS ]] || return 1
  [[ -O $SETTINGS ]] || die "$SETTINGS belongs to $(stat -c %U "$SETTINGS"): run this as that user"
  # shellcheck disable=SC1090
  source "$SETTINGS"
  set_paths
}

# A set keeps the servers that it was made with; a wish for other ones must not pass in silence.
choose_servers() {
  local source=${ETL_SYNC_SOURCE_SERVER:-} warehouse=${ETL_SYNC_WAREHOUSE_SERVER:-}
  [[ ${source:-mariadb} =~ ^(mariadb|mysql)$ ]] || die "ETL_SYNC_SOURCE_SERVER is mariadb or mysql, not $source"
  [[ ${warehouse:-15} =~ ^(15|18)$ ]] || die "ETL_SYNC_WAREHOUSE_SERVER is 15 or 18, not $warehouse"
  if load_settings; then
    [[ ${source:-$SOURCE_SERVER} == "$SOURCE_SERVER" && ${warehouse:-$WAREHOUSE_SERVER} == "$WAREHOUSE_SERVER" ]] ||
      die "the set in $DIR is $SOURCE_SERVER and $WAREHOUSE_SERVER: take another ETL_SYNC_SERVERS_DIR, or down first"
  else
    SOURCE_SERVER=${source:-mariadb} WAREHOUSE_SERVER=${warehouse:-15}
  fi
}

save_settings() {
  local name
  for name in SOURCE_SERVER WAREHOUSE_SERVER BASE RUN MARIADB_PORT PG_PORT MARIADB_ROOT_PW MARIADB_PW PG_ADMIN_PW PG_PW; do
    printf '%s=%q\n' "$name" "${!name}"
  done >"$SETTINGS.new"
  mv "$SETTINGS.new" "$SETTINGS"
}

set_paths() {
  local source=$SOURCE_SERVER
  [[ $source == mariadb ]] && SOURCE_NAME=MariaDB || SOURCE_NAME=MySQL
  MARIADB_HOME=$BASE/$source PG_HOME=$BASE/postgres
  MARIADB_SOCKET=$RUN/$source/$source.sock PG_SOCKET_DIR=$RUN/postgres
  MARIADB_PID_FILE=$MARIADB_HOME/$source.pid PG_PID_FILE=$PG_HOME/data/postmaster.pid
  MARIADB_LOG=$MARIADB_HOME/server.log PG_LOG=$PG_HOME/server.log
}

password() { od -An -N18 -tx1 /dev/urandom | tr -d ' \n'; }

free_port() {
  # Below the range that the kernel takes for outgoing connections.
  local port
  while :; do
    port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    [[ $port != "$MARIADB_PORT" && $port != "$PG_PORT" ]] || continue
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s' "$port"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

reachable() { # can both server users enter this folder?
  local user
  for user in "$MARIADB_USER" "$PG_USER"; do
    as "$user" test -x "$1" || return 1
  done
}

prepare_folder() {
  local fresh=0
  if ! load_settings; then
    fresh=1
    MARIADB_ROOT_PW=$(password) MARIADB_PW=$(password) PG_ADMIN_PW=$(password) PG_PW=$(password)
    MARIADB_PORT=$(free_port)
    PG_PORT=$(free_port)
  fi
  local mode=700
  ((EUID != 0)) || mode=711
  chmod "$mode" "$DIR"
  if [[ -z $BASE ]]; then
    BASE=$DIR
    # A project below /root, for instance, is closed to the servers' users.
    if ! reachable "$DIR"; then
      BASE=$(mktemp -d /var/tmp/etl-sync-servers.XXXXXX)
      say "$DIR cannot be entered by $MARIADB_USER or $PG_USER: the data goes to $BASE"
    fi
  fi
  # A short folder for the sockets when the long one does not fit; it may be gone after a reboot.
  if [[ -z $RUN || ! -d $RUN ]]; then
    RUN=$BASE/run
    if ((${#RUN} + ${#PG_PORT} + 23 > SOCKET_LIMIT)); then
      RUN=$(mktemp -d /tmp/etl-sync.XXXXXX)
    fi
  fi
  set_paths
  save_settings
  install -d -m "$mode" "$BASE" "$RUN"
  local -a owner=()
  ((EUID != 0)) || owner=(-o "$MARIADB_USER")
  install -d -m 700 "${owner[@]}" "$MARIADB_HOME" "$MARIADB_HOME/tmp" "$RUN/$SOURCE_SERVER"
  ((EUID != 0)) || owner=(-o "$PG_USER")
  install -d -m 700 "${owner[@]}" "$PG_HOME" "$RUN/postgres"
  ((fresh == 0)) || say "new servers in $DIR"
}

# --- processes -------------------------------------------------------------------------------------------------

# A pid file may be stale and its number taken by a stranger: the command line decides. It begins with the loader for
# servers of find_newer.
is_ours() { # is_ours KIND PID
  local -a argv=()
  [[ -r /proc/$2/cmdline ]] || return 1
  mapfile -d '' -t argv <"/proc/$2/cmdline" 2>/dev/null || return 1
  ((${#argv[@]} > 1)) || return 1
  case $1 in
  mariadb) [[ ${argv[0]##*/} == @(mariadbd|ld-linux*) && " ${argv[*]} " == *" --defaults-file=$MARIADB_HOME/my.cnf "* ]] ;;
  postgres) [[ ${argv[0]##*/} == @(postgres|ld-linux*) && " ${argv[*]} " == *" -D $PG_HOME/data "* ]] ;;
  esac
}

server_pid() { # server_pid KIND: leaves the pid of our running server in SERVER_PID, fails when there is none
  local pid='' file=$MARIADB_PID_FILE proc comm name=mariadbd
  SERVER_PID=''
  [[ $1 == mariadb ]] || { file=$PG_PID_FILE name=postgres; }
  { read -r pid <"$file"; } 2>/dev/null || true
  if [[ $pid =~ ^[0-9]+$ ]] && is_ours "$1" "$pid"; then
    SERVER_PID=$pid
    return
  fi
  for proc in /proc/[0-9]*; do
    { read -r comm <"$proc/comm"; } 2>/dev/null || continue
    [[ $comm == "$name" || $comm == ld-linux* ]] || continue
    if is_ours "$1" "${proc#/proc/}"; then
      SERVER_PID=${proc#/proc/}
      return
    fi
  done
  return 1
}

# Backends of a killed postmaster live on for a moment, and a new one must not start beside them.
backends_left() {
  local proc comm
  for proc in /proc/[0-9]*; do
    { read -r comm <"$proc/comm"; } 2>/dev/null || continue
    [[ $comm == @(postgres|ld-linux*) && $(readlink "$proc/cwd" 2>/dev/null) == "$PG_HOME/data" ]] && return 0
  done
  return 1
}

# Called in a subshell just before a server starts: with a pipe of our caller in its hands, the caller would wait
# for the server's end.
close_inherited() {
  local fd
  for fd in "/proc/$BASHPID/fd"/*; do
    fd=${fd##*/}
    ((fd <= 2)) || eval "exec $fd>&-"
  done
}

wait_until() { # wait_until COMMAND...: polls until it succeeds or the deadline passes
  local end=$((SECONDS + DEADLINE))
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

give_up() { # give_up WHAT LOG...: the reason is nearly always in the last lines of the log
  local log
  say "servers.sh: $1"
  for log in "${@:2}"; do
    [[ -s $log ]] || continue
    say "the last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    /' >&2 || true
  done
  exit 1
}

# --- MariaDB or MySQL ------------------------------------------------------------------------------------------

mariadb_admin() { # SQL on stdin
  MYSQL_PWD=$MARIADB_ROOT_PW "$MARIADB_CLIENT" --no-defaults --batch --skip-column-names \
    --socket="$MARIADB_SOCKET" --user=root --connect-timeout=5 "$@"
}

mariadb_answers() { mariadb_admin -e 'SELECT 1' >/dev/null 2>&1; }

mariadb_ready_or_dead() {
  mariadb_answers && return
  ! kill -0 "$MARIADB_CHILD" 2>/dev/null
}

mariadb_config() {
  cat <<TEXT
[mysqld]
datadir=$MARIADB_HOME/data
tmpdir=$MARIADB_HOME/tmp
socket=$MARIADB_SOCKET
pid-file=$MARIADB_PID_FILE
port=$MARIADB_PORT
bind-address=127.0.0.1
skip-name-resolve
skip-log-bin
character-set-server=utf8mb4
collation-server=utf8mb4_general_ci
local-infile=1
max-allowed-packet=256M
max-connections=200
innodb-buffer-pool-size=${ETL_SYNC_MARIADB_BUFFER_POOL:-512M}
key-buffer-size=64M
myisam-sort-buffer-size=64M
TEXT
  [[ $SOURCE_SERVER == mariadb ]] || mysql_folders | sed 's/^--//'
}

# MySQL was built for other folders than those of find_newer.
mysql_folders() {
  printf -- '--%s\n' "basedir=$NEWER/usr" "lc-messages-dir=$NEWER/usr/share/mysql" \
    "character-sets-dir=$NEWER/usr/share/mysql/charsets" "plugin-dir=$NEWER/usr/lib/mysql/plugin" secure-file-priv= mysqlx=OFF
}

# The product's account can read and take its snapshot lock, nothing else.
source_accounts() {
  if [[ $SOURCE_SERVER == mysql ]]; then mysql_accounts; else mariadb_accounts; fi
}

# The same accounts and rights as on MariaDB; passwords are those of the server's default plugin, caching_sha2_password.
mysql_accounts() {
  local host
  printf "CREATE DATABASE IF NOT EXISTS clinic CHARACTER SET utf8mb4;\n"
  printf "ALTER USER root@localhost IDENTIFIED BY '%s';\n" "$MARIADB_ROOT_PW"
  printf "DROP USER IF EXISTS root@'127.0.0.1', etl_sync@localhost, etl_sync@'127.0.0.1';\n"
  printf "CREATE USER root@'127.0.0.1' IDENTIFIED BY '%s';\n" "$MARIADB_ROOT_PW"
  printf "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
  for host in localhost 127.0.0.1; do
    printf "CREATE USER etl_sync@'%s' IDENTIFIED BY '%s';\n" "$host" "$MARIADB_PW"
    printf "GRANT SELECT, SHOW VIEW, PROCESS, RELOAD, REPLICATION CLIENT ON *.* TO etl_sync@'%s';\n" "$host"
  done
}

# After a full login the server remembers the account until it stops, and lets clients in that can neither do TLS nor
# RSA, such as PyMySQL without its optional library. Over TCP, because the socket's accounts are others.
mysql_log_in() {
  local user password
  for user in root etl_sync; do
    password=$MARIADB_ROOT_PW
    [[ $user == root ]] || password=$MARIADB_PW
    MYSQL_PWD=$password "$MARIADB_CLIENT" --no-defaults --protocol=tcp --host=127.0.0.1 --port="$MARIADB_PORT" \
      --ssl --skip-ssl-verify-server-cert --user="$user" --connect-timeout=5 -e 'SELECT 1' >/dev/null ||
      die "$user cannot log in to MySQL"
  done
}

mariadb_accounts() {
  local host
  printf "CREATE DATABASE IF NOT EXISTS clinic CHARACTER SET utf8mb4;\n"
  printf "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('%s') OR unix_socket;\n" "$MARIADB_ROOT_PW"
  printf "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '%s';\n" "$MARIADB_ROOT_PW"
  printf "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
  for host in localhost 127.0.0.1; do
    printf "CREATE OR REPLACE USER etl_sync@'%s' IDENTIFIED BY '%s';\n" "$host" "$MARIADB_PW"
    printf "GRANT SELECT, SHOW VIEW, PROCESS, RELOAD, BINLOG MONITOR, REPLICA MONITOR ON *.* TO etl_sync@'%s';\n" "$host"
  done
}

mariadb_create() {
  local -a how=("$MARIADB_INSTALL_DB" --no-defaults --auth-root-authentication-method=socket --auth-root-socket-user=root --skip-test-db)
  say "$SOURCE_NAME: creating the data folder"
  if [[ $SOURCE_SERVER == mysql ]]; then
    mapfile -t how < <(mysql_folders)
    how=("$MARIADBD" --no-defaults --initialize-insecure "${how[@]}")
  fi
  # Made aside and renamed, so that an interrupted attempt is not taken for a data folder.
  rm -rf "$MARIADB_HOME/data" "$MARIADB_HOME/data.new"
  as "$MARIADB_USER" "${how[@]}" --datadir="$MARIADB_HOME/data.new" >"$MARIADB_LOG" 2>&1 </dev/null ||
    give_up "the data folder cannot be made" "$MARIADB_LOG"
  mv "$MARIADB_HOME/data.new" "$MARIADB_HOME/data"
}

mariadb_launch() {
  local -a more=() user=()
  read -r -a more <<<"${ETL_SYNC_MARIADB_OPTS:-}"
  ((EUID != 0)) || user=(--user="$MARIADB_USER")
  mariadb_config >"$MARIADB_HOME/my.cnf"
  if [[ ! -e $MARIADB_HOME/accounts-made ]]; then
    # Runs before the first connection is let in: root never has an empty password on the network.
    source_accounts >"$MARIADB_HOME/accounts.sql"
    ((EUID != 0)) || chown "$MARIADB_USER" "$MARIADB_HOME/accounts.sql"
    more+=(--init-file="$MARIADB_HOME/accounts.sql")
  fi
  rm -f "$MARIADB_SOCKET" "$MARIADB_SOCKET.lock" "$MARIADB_PID_FILE"
  # In a session of its own it outlives this script.
  (
    cd /
    close_inherited
    exec setsid nohup "$MARIADBD" --defaults-file="$MARIADB_HOME/my.cnf" "${user[@]}" "${more[@]}"
  ) </dev/null >>"$MARIADB_LOG" 2>&1 &
  MARIADB_CHILD=$!
  wait_until mariadb_ready_or_dead && mariadb_answers
}

mariadb_up() {
  local attempt mark
  if server_pid mariadb && [[ ! -S $MARIADB_SOCKET ]]; then
    say "$SOURCE_NAME (pid $SERVER_PID) runs without its socket: starting it anew"
    mariadb_down
  fi
  if server_pid mariadb; then
    wait_until mariadb_answers || give_up "$SOURCE_NAME (pid $SERVER_PID) runs but does not answer" "$MARIADB_LOG"
    return
  fi
  [[ -d $MARIADB_HOME/data ]] || { rm -f "$MARIADB_HOME/accounts-made"; mariadb_create; }
  for attempt in 1 2 3; do
    if port_taken "$MARIADB_PORT"; then
      MARIADB_PORT=$(free_port)
      save_settings
      say "$SOURCE_NAME: its port was taken, the new one is $MARIADB_PORT"
    fi
    mark=$(stat -c %s "$MARIADB_LOG" 2>/dev/null || echo 0)
    if mariadb_launch; then
      : >"$MARIADB_HOME/accounts-made"
      rm -f "$MARIADB_HOME/accounts.sql"
      return
    fi
    # Somebody may have taken the port between the look and the start.
    ((attempt < 3)) && tail -c +$((mark + 1)) "$MARIADB_LOG" | grep -q 'Address already in use' || break
    sleep 1
  done
  ! server_pid mariadb || kill -TERM "$SERVER_PID" || true
  give_up "$SOURCE_NAME did not start (deadline $DEADLINE s)" "$MARIADB_LOG"
}

mariadb_down() {
  local pid
  server_pid mariadb || return 0
  pid=$SERVER_PID
  kill -TERM "$pid" || true
  if ! wait_until gone "$pid"; then
    say "$SOURCE_NAME (pid $pid) did not stop within $DEADLINE s: killing it"
    kill -KILL "$pid" || true
    wait_until gone "$pid" || die "pid $pid does not die"
  fi
}

gone() { # a zombie holds no files any more
  local state=''
  [[ -e /proc/$1/stat ]] || return 0
  state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
  [[ -z $state || $state == Z ]]
}

# --- PostgreSQL ------------------------------------------------------------------------------------------------

pg_admin() { # DATABASE OPTION...; SQL on stdin. The socket's folder is closed to others, so no password is needed.
  local database=$1
  shift
  as "$PG_USER" env -u PGOPTIONS -u PGSERVICE -u PGSSLMODE PGCONNECT_TIMEOUT=5 "$PSQL" --no-psqlrc --quiet --tuples-only --no-align \
    --set=ON_ERROR_STOP=1 --host="$PG_SOCKET_DIR" --port="$PG_PORT" --username=postgres --dbname="$database" "$@"
}

pg_answers() { pg_admin postgres -c 'SELECT 1' >/dev/null 2>&1; }

pg_create() {
  local locale=C
  say "PostgreSQL: creating the data folder"
  locale -a 2>/dev/null | grep -qix 'C.utf-\?8' && locale=C.UTF-8
  as "$PG_USER" rm -rf "$PG_HOME/data" "$PG_HOME/data.new"
  printf '%s\n' "$PG_ADMIN_PW" | as "$PG_USER" sh -c 'cat >"$1"' sh "$PG_HOME/password"
  as "$PG_USER" "$PG_BIN/initdb" -D "$PG_HOME/data.new" -U postgres -E UTF8 --locale="$locale" \
    --auth-local=trust --auth-host=scram-sha-256 --pwfile="$PG_HOME/password" \
    >"$PG_HOME/initdb.log" 2>&1 </dev/null || give_up "initdb failed" "$PG_HOME/initdb.log"
  rm -f "$PG_HOME/password"
  as "$PG_USER" sh -c 'printf "\ninclude_if_exists = '\''servers.conf'\''\n" >>"$1"' sh "$PG_HOME/data.new/postgresql.conf"
  mv "$PG_HOME/data.new" "$PG_HOME/data"
}

pg_config() {
  cat <<TEXT
# Written by scripts/servers.sh at each start; durability settings stay at their defaults.
listen_addresses = '127.0.0.1'
port = $PG_PORT
unix_socket_directories = '$PG_SOCKET_DIR'
shared_buffers = '${ETL_SYNC_PG_SHARED_BUFFERS:-256MB}'
max_wal_size = '4GB'
max_connections = 200
password_encryption = scram-sha-256
TEXT
}

pg_launch() {
  pg_config | as "$PG_USER" sh -c 'cat >"$1"' sh "$PG_HOME/data/servers.conf"
  # pg_ctl puts the server into a session of its own and waits until it lets connections in.
  (
    close_inherited
    as "$PG_USER" "$PG_BIN/pg_ctl" start -s -w -t "$DEADLINE" -D "$PG_HOME/data" -l "$PG_LOG" \
      -o "${ETL_SYNC_PG_OPTS:-}"
  ) </dev/null >"$PG_HOME/pg_ctl.log" 2>&1
}

pg_accounts() {
  local made locale
  made=$(pg_admin postgres -c "SELECT count(*) FROM pg_roles WHERE rolname = 'etl_sync'")
  # Through stdin: a command line can be read by every user of the machine.
  if ((made == 0)); then
    printf "CREATE ROLE etl_sync LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '%s';\n" "$PG_PW" | pg_admin postgres
  fi
  made=$(pg_admin postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'warehouse'")
  if ((made == 0)); then
    locale=$(pg_admin postgres -c "SELECT datcollate FROM pg_database WHERE datname = 'template0'")
    printf "CREATE DATABASE warehouse OWNER etl_sync TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE '%s' LC_CTYPE '%s';\n" \
      "$locale" "$locale" | pg_admin postgres
  fi
}

pg_up() {
  local attempt mark
  if server_pid postgres && [[ ! -S $PG_SOCKET_DIR/.s.PGSQL.$PG_PORT ]]; then
    say "PostgreSQL (pid $SERVER_PID) runs without its socket: starting it anew"
    pg_down
  fi
  if ! server_pid postgres; then
    [[ -d $PG_HOME/data ]] || pg_create
    for attempt in 1 2 3; do
      if port_taken "$PG_PORT"; then
        PG_PORT=$(free_port)
        save_settings
        say "PostgreSQL: its port was taken, the new one is $PG_PORT"
      fi
      # Left-over lock files whose number lives on as another process would stop the start.
      wait_until no_backends_left || die "processes of a killed PostgreSQL still work in $PG_HOME/data"
      rm -f "$PG_PID_FILE" "$PG_SOCKET_DIR"/.s.PGSQL.*
      mark=$(stat -c %s "$PG_LOG" 2>/dev/null || echo 0)
      pg_launch && break
      ((attempt < 3)) && tail -c +$((mark + 1)) "$PG_LOG" | grep -q 'Address already in use' ||
        give_up "PostgreSQL did not start (deadline $DEADLINE s)" "$PG_HOME/pg_ctl.log" "$PG_LOG"
      sleep 1
    done
  fi
  wait_until pg_answers || give_up "PostgreSQL does not answer" "$PG_LOG"
  pg_accounts
}

no_backends_left() { ! backends_left; }

pg_down() {
  local mode pid
  server_pid postgres || return 0
  pid=$SERVER_PID
  for mode in INT QUIT KILL; do # fast, immediate, last resort
    kill "-$mode" "$pid" 2>/dev/null || true
    wait_until gone "$pid" && return
    say "PostgreSQL (pid $pid) did not stop on SIG$mode"
  done
  die "pid $pid does not die"
}

# --- commands --------------------------------------------------------------------------------------------------

up() {
  choose_servers
  find_binaries || { install_packages; find_binaries || die "the server programs are still missing after the installation"; }
  find_newer
  local user
  for user in "$MARIADB_USER" "$PG_USER"; do
    id -u "$user" >/dev/null 2>&1 || die "there is no user $user, and the servers must not run as root"
  done
  lock
  prepare_folder
  mariadb_up
  [[ $SOURCE_SERVER == mariadb ]] || mysql_log_in
  pg_up
  status >&2
}

down() {
  local keep=0
  case ${1:-} in
  --keep) keep=1 ;;
  '') ;;
  *) die "down takes --keep or nothing" ;;
  esac
  [[ -e $DIR ]] || { say "nothing to stop: there is no $DIR"; return; }
  # Only a folder that this script made is ever removed.
  [[ -e $SETTINGS || -e $DIR/lock ]] || die "$DIR was not made by this script"
  lock
  if load_settings; then
    mariadb_down
    pg_down
    ((keep == 0)) || { say "both servers are stopped; their data stays in $BASE"; return; }
    case $RUN in /tmp/etl-sync.*) rm -rf "$RUN" ;; esac
    case $BASE in
    /var/tmp/etl-sync-servers.*) rm -rf "$BASE" ;;
    *) rm -rf "$MARIADB_HOME" "$PG_HOME" "$BASE/run" ;;
    esac
  fi
  ((keep == 0)) || return 0
  rm -f "$SETTINGS" "$SETTINGS.new" "$DIR/lock"
  rmdir "$DIR" 2>/dev/null || say "$DIR keeps files that are not of this script"
  say "both servers are stopped and their data is removed"
}

status() {
  local both=0
  if ! load_settings; then
    printf 'no servers in %s\n' "$DIR"
    return 3
  fi
  find_binaries || true
  status_line "$SOURCE_NAME" mariadb "$MARIADB_PORT" mariadb_answers || both=3
  status_line PostgreSQL postgres "$PG_PORT" pg_answers || both=3
  printf '%-10s  %s\n' data "$BASE" sockets "$RUN"
  return "$both"
}

status_line() { # NAME KIND PORT ANSWERS
  if ! server_pid "$2"; then
    printf '%-10s  down       port %s\n' "$1" "$3"
    return 1
  elif ! "$4"; then
    printf '%-10s  no answer  port %s  pid %s\n' "$1" "$3" "$SERVER_PID"
    return 1
  fi
  printf '%-10s  up         port %s  pid %s\n' "$1" "$3" "$SERVER_PID"
}

print_env() {
  load_settings || die "no servers in $DIR: run scripts/servers.sh up"
  server_pid mariadb && server_pid postgres || say "servers.sh: not both servers run (scripts/servers.sh up)"
  export_line ETL_SYNC_SOURCE_URL "mysql://etl_sync:$MARIADB_PW@127.0.0.1:$MARIADB_PORT/clinic"
  export_line ETL_SYNC_WAREHOUSE_URL "postgresql://etl_sync:$PG_PW@127.0.0.1:$PG_PORT/warehouse"
  export_line ETL_SYNC_ADMIN_SOURCE_URL "mysql://root:$MARIADB_ROOT_PW@127.0.0.1:$MARIADB_PORT/clinic"
  export_line ETL_SYNC_ADMIN_WAREHOUSE_URL "postgresql://postgres:$PG_ADMIN_PW@127.0.0.1:$PG_PORT/warehouse"
  export_line ETL_SYNC_MARIADB_SOCKET "$MARIADB_SOCKET"
  export_line ETL_SYNC_MARIADB_PORT "$MARIADB_PORT"
  export_line ETL_SYNC_MARIADB_PID_FILE "$MARIADB_PID_FILE"
  export_line ETL_SYNC_PG_PORT "$PG_PORT"
  export_line ETL_SYNC_PG_SOCKET_DIR "$PG_SOCKET_DIR"
  export_line ETL_SYNC_PG_PID_FILE "$PG_PID_FILE"
}

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

set_users
case ${1:-} in
up) up ;;
down) shift; down "$@" ;;
status) status ;;
env) print_env ;;
install) find_binaries && say "MariaDB and PostgreSQL are already installed" || install_packages ;;
help | -h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
