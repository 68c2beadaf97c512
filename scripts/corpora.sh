#!/usr/bin/env bash
# Owns the check against databases that others wrote: each schema of a corpora folder is loaded into the private MariaDB,
# synced, judged and synced again, which must write nothing; pgloader copies the same data beside it.
# Usage: scripts/corpora.sh [options]     see scripts/corpora.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

OPTIONS=(--formats csv,binary --pgloader)
UPDATES='' SLICES=12 MODES=whole,discovered,clock,replica
STARTED=0
CHILD=''

usage() {
  cat <<'TEXT'
scripts/corpora.sh [options]
scripts/corpora.sh --updates CORPUS/STREAM [--slices N] [--modes M[,M]]

  --only NAME[,NAME]     only these corpora or schemas
  --formats F[,F]        COPY formats, one pass each: csv, binary, auto, or default, which sets none (csv,binary)
  --no-pgloader          without pgloader
  --report FILE          also write the result as a markdown table
  --updates CORPUS/STREAM  instead of all that: sync one corpus, apply updates/STREAM.sql.zst of it in slices with a run after
                         each, half of every slice while the run reads, and judge after the last; all tables read whole,
                         by the columns that discover proposes, by a clock in every table, and so through a replica
  --slices N             slices of --updates (12)
  --modes M[,M]          which of the four: whole, discovered, clock, replica

Prints one line per schema and format, then totals. Exit 0 when every table and row arrived, but for what a policy
took out and both etl-sync and the judge counted alike; 1 when not; 2 when it could not be checked.

A corpus is a folder NAME with load.sh [DB], which drops, makes and fills databases through the client command in MY,
and counts.tsv with lines "schema.table<TAB>rows". Databases that exist already are never touched.

Environment:
  ETL_SYNC_CORPORA          the folder of the corpora (../shared/corpora)
  ETL_SYNC_SERVERS_DIR      servers to use or to start (.servers); those that run already stay up
  ETL_SYNC_CORPORA_BINARY   another build of etl-sync instead of building this one
  ETL_SYNC_CORPORA_LOGS     folder for the messages and reports of all tools
TEXT
}

die() { printf 'corpora.sh: %s\n' "$*" >&2; exit 2; }

parse() {
  while (($#)); do
    case $1 in
      --only | --formats | --report)
        (($# > 1)) && [[ -n $2 ]] || die "$1 wants a value"
        OPTIONS+=("$1" "$2")
        shift 2 ;;
      --updates | --slices | --modes)
        (($# > 1)) && [[ -n $2 ]] || die "$1 wants a value"
        case $1 in
          --updates) UPDATES=$2 ;;
          --slices) SLICES=$2 ;;
          --modes) MODES=$2 ;;
        esac
        shift 2 ;;
      --no-pgloader) OPTIONS+=(--no-pgloader); shift ;;
      -h | --help) usage; exit 0 ;;
      *) die "unknown option $1; see --help" ;;
    esac
  done
}

check_tools() {
  local tool
  CORPORA=${ETL_SYNC_CORPORA:-../shared/corpora}
  [[ -d $CORPORA ]] || die "there is no folder $CORPORA; ETL_SYNC_CORPORA names another one"
  for tool in mariadb zstdcat unzip; do
    command -v "$tool" >/dev/null || die "$tool is missing; the loaders of the corpora need it"
  done
  /usr/bin/python3 -c 'import pymysql, psycopg' 2>/dev/null ||
    die "drivers are missing; Debian and Ubuntu: apt-get install python3-pymysql python3-psycopg"
}

build() {
  if [[ -n ${ETL_SYNC_CORPORA_BINARY:-} ]]; then
    BINARY=$ETL_SYNC_CORPORA_BINARY
  else
    cargo build --release --locked --quiet
    BINARY=${CARGO_TARGET_DIR:-target}/release/etl-sync
  fi
  [[ -x $BINARY ]] || die "$BINARY is not a program"
}

start_servers() {
  scripts/servers.sh status >/dev/null 2>&1 && return
  # No power is cut here, so nothing has to reach the disk.
  ETL_SYNC_PG_OPTS=${ETL_SYNC_PG_OPTS:--c fsync=off} \
    ETL_SYNC_MARIADB_OPTS=${ETL_SYNC_MARIADB_OPTS:---innodb-flush-log-at-trx-commit=2 --innodb-doublewrite=0} \
    scripts/servers.sh up
  STARTED=1
}

stop_servers() { ((STARTED == 0)) || scripts/servers.sh down >/dev/null 2>&1 || true; }

parse "$@"
SCRIPT=scripts/corpora/corpora.py
if [[ -n $UPDATES ]]; then
  [[ $UPDATES == ?*/?* ]] || die "--updates wants CORPUS/STREAM"
  SCRIPT=scripts/corpora/updates.py
  OPTIONS=(--name "${UPDATES%%/*}" --stream "${UPDATES#*/}" --slices "$SLICES" --modes "$MODES")
fi
check_tools
build
trap stop_servers EXIT
start_servers
# Addresses come from the private set alone, whatever the caller's environment says.
SETTINGS=$(scripts/servers.sh env)
eval "$SETTINGS"
# In the background, so that a signal reaches it at once: it drops its databases before the servers are stopped.
trap '[[ -z $CHILD ]] || kill -TERM "$CHILD" 2>/dev/null || true' INT TERM
/usr/bin/python3 -B "$SCRIPT" --corpora "$CORPORA" --etl-sync "$BINARY" "${OPTIONS[@]}" &
CHILD=$!
CODE=0
wait "$CHILD" || CODE=$?
# A trapped signal ends the first wait before the child has ended.
while kill -0 "$CHILD" 2>/dev/null; do
  CODE=0
  wait "$CHILD" || CODE=$?
done
exit "$CODE"
