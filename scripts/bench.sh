#!/usr/bin/env bash
# Owns the benchmark: etl-sync against the pipe (mariadb | sed | psql) and pgloader, on private servers, in one sitting.
# Machines are noisy, so tools take turns, medians are printed, and only ratios within a sitting mean anything.
# Usage: scripts/bench.sh [options]     see scripts/bench.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ROWS=3000000
REPEAT=3
PARALLEL=8
ONLY=''
SMALL=${ETL_SYNC_BENCH_SMALL_DB:-}
SCALE=0.1
MEMORY=0
PGLOADER=1
PIPE=1
PREFIX=etl_sync_bench
CLINIC=${PREFIX}_clinic

usage() {
  cat <<'TEXT'
scripts/bench.sh [options]

  --rows N        rows of the wide table, 44 columns (3000000)
  --small DB      a source database with many small tables (default: a tiny sample clinic made by scripts/clinic.py)
  --only WHICH    "wide", "small", "nights", "proof" or "trackers" instead of wide and small; nights: a full load, 1 % changed, nothing changed
                  by counts and on evidence, tracking on and off, with the statements that both servers counted; proof: digests
                  during a load, a scan of either side, a night that proves every row, the repair of one row; trackers: full
                  loads with status tables, run log and method usage on and off, of the wide table and of many small ones
  --scale X       of the sample clinic of the nights (0.1: 2 million rows)
  --repeat N      repetitions, tools in turns (3)
  --parallel N    workers of etl-sync (8)
  --memory        only peak memory of etl-sync at a tenth of the rows and at all of them
  --no-pgloader   without pgloader
  --no-pipe       without the pipe

Environment:
  ETL_SYNC_SERVERS_DIR      folder of the servers (default: .servers-bench, .servers-nights); they are stopped at the end when this
                            script started them, their data stays for the next sitting
  ETL_SYNC_BENCH_SMALL_DB   as --small; the caller has loaded it into those servers
  ETL_SYNC_BENCH_BINARY     another build of etl-sync instead of building this one
  ETL_SYNC_BENCH_LOGS       folder for the messages of the tools
TEXT
}

die() { printf 'bench.sh: %s\n' "$*" >&2; exit 1; }
step() { printf '\n-- %s\n' "$*"; }

is_number() { [[ $1 =~ ^[1-9][0-9]*$ ]] || die "$2 wants a number above 0, not \"$1\""; }

parse() {
  while (($#)); do
    case $1 in
      --rows | --small | --only | --repeat | --parallel | --scale)
        (($# > 1)) || die "$1 wants a value"
        case $1 in
          --rows) is_number "$2" "$1"; ROWS=$2 ;;
          --repeat) is_number "$2" "$1"; REPEAT=$2 ;;
          --parallel) is_number "$2" "$1"; PARALLEL=$2 ;;
          --small) SMALL=$2 ;;
          --only) [[ $2 =~ ^(wide|small|nights|proof|trackers)$ ]] || die "--only wants wide, small, nights, proof or trackers"; ONLY=$2 ;;
          --scale) [[ $2 =~ ^[0-9.]+$ ]] || die "--scale wants a number"; SCALE=$2 ;;
        esac
        shift 2 ;;
      --memory) MEMORY=1; shift ;;
      --no-pgloader) PGLOADER=0; shift ;;
      --no-pipe) PIPE=0; shift ;;
      -h | --help) usage; exit 0 ;;
      *) die "unknown option $1; see --help" ;;
    esac
  done
}

check_tools() {
  local tool
  for tool in python3 mariadb psql pg_dump sed; do
    command -v "$tool" >/dev/null || die "$tool is missing; \"scripts/servers.sh install\" brings it"
  done
  if ((PGLOADER)) && ! command -v pgloader >/dev/null; then
    printf 'bench.sh: pgloader is missing and left out; Debian and Ubuntu: apt-get install pgloader\n' >&2
    PGLOADER=0
  fi
}

# Settings large enough that the clients are measured and not the servers' disks; the same for every tool.
start_servers() {
  if [[ $ONLY == nights ]]; then
    # A log, because InnoDB shows by its position that nothing moved, and counted statements.
    export ETL_SYNC_SERVERS_DIR=${ETL_SYNC_SERVERS_DIR:-$PWD/.servers-nights}
    export ETL_SYNC_MARIADB_OPTS=${ETL_SYNC_MARIADB_OPTS:---log-bin --server-id=1}
    export ETL_SYNC_PG_OPTS=${ETL_SYNC_PG_OPTS:--c max_wal_size=8GB -c synchronous_commit=off -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.max=50000}
  fi
  export ETL_SYNC_SERVERS_DIR=${ETL_SYNC_SERVERS_DIR:-$PWD/.servers-bench}
  export ETL_SYNC_MARIADB_BUFFER_POOL=${ETL_SYNC_MARIADB_BUFFER_POOL:-2G}
  export ETL_SYNC_PG_SHARED_BUFFERS=${ETL_SYNC_PG_SHARED_BUFFERS:-1GB}
  export ETL_SYNC_MARIADB_OPTS=${ETL_SYNC_MARIADB_OPTS:---skip-log-bin}
  export ETL_SYNC_PG_OPTS=${ETL_SYNC_PG_OPTS:--c max_wal_size=8GB -c synchronous_commit=off}
  local settings
  if ! scripts/servers.sh status >/dev/null 2>&1; then
    trap 'scripts/servers.sh down --keep >/dev/null || true' EXIT
    scripts/servers.sh up
  fi
  settings=$(scripts/servers.sh env)
  eval "$settings"
}

build() {
  if [[ -n ${ETL_SYNC_BENCH_BINARY:-} ]]; then
    BINARY=$ETL_SYNC_BENCH_BINARY
  else
    cargo build --release --locked --quiet
    BINARY=${CARGO_TARGET_DIR:-target}/release/etl-sync
  fi
  [[ -x $BINARY ]] || die "$BINARY is not a program"
}

source_sql() { # as the administrator, through the socket that belongs to this set of servers
  mariadb --no-defaults --socket="$ETL_SYNC_MARIADB_SOCKET" --user=root --batch --skip-column-names "$@"
}

warehouse_sql() { psql --no-psqlrc --quiet --no-align --tuples-only "$ETL_SYNC_ADMIN_WAREHOUSE_URL" -c "$1"; }

make_wide() { # make_wide ROWS: kept between sittings
  local database=${PREFIX}_$1 found
  found=$(source_sql -e "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '$database' AND table_comment = 'complete'")
  [[ $found == 1 ]] && return
  step "making the wide table, $1 rows"
  source_sql -e "DROP DATABASE IF EXISTS $database"
  sed "s/:database/$database/g; s/:rows/$1/g" scripts/bench/wide.sql | source_sql >/dev/null
  # Says that no interrupted sitting left half a table.
  source_sql -e "ALTER TABLE $database.procedure_log COMMENT = 'complete'"
}

make_small() {
  [[ -z $SMALL ]] || return 0
  SMALL=$CLINIC
  step "making the sample clinic"
  scripts/clinic.py --scale 0.001 --database "$CLINIC" >/dev/null
}

make_nights() { # kept between sittings, each of which lets it grow by its changes
  local found
  found=$(source_sql -e "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '${PREFIX}_nights_$1'")
  ((found < 446)) || return 0
  step "making the sample clinic, scale $SCALE"
  scripts/clinic.py --scale "$SCALE" --database "${PREFIX}_nights_$1" >/dev/null
}

facts() {
  local cpu
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  printf '\n-- machine\n'
  printf '%-14s%s\n' \
    cores "$(nproc), ${cpu:-unknown}" \
    memory "$(awk '/^MemTotal/ {printf "%.1f GB", $2 / 1048576}' /proc/meminfo)" \
    load "$(cut -d ' ' -f 1-3 /proc/loadavg) before the first run" \
    system "$(uname -sr)" \
    etl-sync "$("$BINARY" --version 2>/dev/null | head -n 1), commit $(git describe --always --dirty 2>/dev/null || printf unknown)" \
    MariaDB "$(source_sql -e "SELECT CONCAT(@@version, ', innodb_buffer_pool_size ', @@innodb_buffer_pool_size DIV 1048576, 'M, log_bin ', @@log_bin)")" \
    PostgreSQL "$(warehouse_sql "SELECT concat_ws(', ', current_setting('server_version'), 'shared_buffers ' || current_setting('shared_buffers'), 'max_wal_size ' || current_setting('max_wal_size'), 'synchronous_commit ' || current_setting('synchronous_commit'))")"
  ((!PGLOADER)) || printf '%-14s%s\n' pgloader "$(pgloader --version | head -n 1)"
}

sitting() { # sitting LABEL DATABASE OPTIONS...
  local options=(--label "$1" --database "$2" --etl-sync "$BINARY" --parallel "$PARALLEL" --repeat "$REPEAT")
  shift 2
  ((PGLOADER)) || options+=(--no-pgloader)
  ((PIPE)) || options+=(--no-pipe)
  python3 -B scripts/bench/sitting.py "${options[@]}" "$@"
}

parse "$@"
check_tools
start_servers
build
if ((MEMORY)); then
  ((ROWS >= 10)) || die "--memory wants at least 10 rows"
  make_wide "$((ROWS / 10))"
  make_wide "$ROWS"
  facts
  sitting "wide table" "${PREFIX}_$((ROWS / 10))" --larger "${PREFIX}_$ROWS"
  exit 0
fi
if [[ $ONLY == nights ]]; then
  PGLOADER=0
  make_nights "${SCALE//./_}"
  facts
  python3 -B scripts/bench/nights.py --database "${PREFIX}_nights_${SCALE//./_}" --etl-sync "$BINARY" --parallel "$PARALLEL" --repeat "$REPEAT"
  exit
fi
if [[ $ONLY == proof ]]; then
  PGLOADER=0
  make_wide "$ROWS"
  make_nights "${SCALE//./_}"
  facts
  proof=(python3 -B scripts/bench/proof.py --etl-sync "$BINARY" --parallel "$PARALLEL" --repeat "$REPEAT")
  failed=0
  "${proof[@]}" --database "${PREFIX}_$ROWS" --one procedure_log --set "claim_note = 'by hand'" --where "id = $((ROWS / 2))" || failed=1
  "${proof[@]}" --database "${PREFIX}_nights_${SCALE//./_}" || failed=1
  exit "$failed"
fi
if [[ $ONLY == trackers ]]; then
  PGLOADER=0
  make_wide "$ROWS"
  make_small
  facts
  trackers=(python3 -B scripts/bench/trackers.py --etl-sync "$BINARY" --parallel "$PARALLEL" --repeat "$REPEAT")
  failed=0
  "${trackers[@]}" --database "${PREFIX}_$ROWS" || failed=1
  "${trackers[@]}" --database "$SMALL" --no-limit
  exit "$failed"
fi
[[ $ONLY == small ]] || make_wide "$ROWS"
[[ $ONLY == wide ]] || make_small
facts
[[ $ONLY == small ]] || sitting "wide table" "${PREFIX}_$ROWS"
[[ $ONLY == wide ]] || sitting "many small tables" "$SMALL"
