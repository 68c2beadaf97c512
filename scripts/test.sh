#!/usr/bin/env bash
# Owns the check of the whole project, from a bare Debian 12 with Rust, gcc, git and python3: format, lints, all tests
# against private servers, the judge's own tests. Ends with a summary; exit 0 when everything passed, else 1.
# Everything runs on MariaDB 10.11 and PostgreSQL 15; PAIR_TESTS (cases, types, status tables, the same rows in
# two ways, and what ends with on_mysql) run on MySQL 9.7 and PostgreSQL 18 too.
# Usage: scripts/test.sh [--all]      --all: the long campaigns too, and PAIR_TESTS, generated values and names on all four pairs
# Environment: ETL_SYNC_SERVERS_DIR    servers to use or to start (.servers); those that run already stay up
#              ETL_SYNC_TEST_SEED      seed of the random campaigns, printed by each run
#              CARGO_TARGET_DIR        as for cargo
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

PAIRS=('mysql 18') # source and warehouse, beside the pair that everything runs on
PAIR_TESTS=(cases:: types:: tracking:: differential:: on_mysql)
case ${1:-} in
'') ;;
--all)
  export ETL_SYNC_TEST_ALL=1
  PAIRS+=('mysql 15' 'mariadb 18')
  PAIR_TESTS+=(properties:: quoting::)
  ;;
*) sed -n '2,10s/^# //p' "$0" >&2; exit 2 ;;
esac

WORK=$(mktemp -d)
# Tests wait for servers, locks and clocks more than they compute.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-8}
export ETL_SYNC_TEST_NOTES=$WORK/notes
export ETL_SYNC_TEST_SEED=${ETL_SYNC_TEST_SEED:-$RANDOM}
export ETL_SYNC_SOURCE_SERVER=mariadb ETL_SYNC_WAREHOUSE_SERVER=15
TARGET=${CARGO_TARGET_DIR:-target}
ETL_SYNC_TEST_DBT=$(realpath -m "$TARGET/tmp/dbt/bin/dbt")
export ETL_SYNC_TEST_DBT
PRIVATE=$TARGET/tmp/servers # the set that tests may kill, see tests/it/hosts.rs
STARTED=0
FAILED=()
: >"$ETL_SYNC_TEST_NOTES"

say() { printf '\n== %s\n' "$*"; }

clean_up() {
  local dir
  for dir in "$PRIVATE" "$TARGET"/tmp/{tls,log,zones,apart,pair-*}; do
    [[ ! -e $dir ]] || ETL_SYNC_SERVERS_DIR=$dir scripts/servers.sh down >/dev/null 2>&1
  done
  ((STARTED == 0)) || scripts/servers.sh down >/dev/null 2>&1
  rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { # step NAME COMMAND...: goes on after a failure, so that one run tells everything
  local name=$1 start=$SECONDS
  shift
  say "$name"
  if "$@" 2>&1 | tee "$WORK/log"; then
    printf '%-14s ok      %4d s\n' "$name" $((SECONDS - start)) >>"$WORK/steps"
  else
    printf '%-14s FAILED  %4d s\n' "$name" $((SECONDS - start)) >>"$WORK/steps"
    FAILED+=("$name")
  fi
  grep -E '^test result: |^Ran [0-9]+ tests' "$WORK/log" >>"$WORK/counts" || true
}

install() { # install PACKAGE...
  local -a sudo=()
  command -v apt-get >/dev/null || { say "missing and no apt-get here: $*"; return 1; }
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { say "run as root: apt-get install $*"; return 1; }
    sudo=(sudo)
  fi
  say "installing $*"
  "${sudo[@]}" apt-get update -q && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

install_missing() {
  local -a packages=() browser=()
  /usr/bin/python3 -c 'import pymysql' 2>/dev/null || packages+=(python3-pymysql)
  /usr/bin/python3 -c 'import psycopg' 2>/dev/null || packages+=(python3-psycopg)
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
  command -v chromium >/dev/null || browser+=(chromium)
  command -v chromedriver >/dev/null || browser+=(chromium-driver)
  # Without a browser its test is counted as skipped.
  ((${#browser[@]} == 0)) || install "${browser[@]}" || true
  ((${#packages[@]} == 0)) || install "${packages[@]}"
}

servers() {
  local env running=1
  scripts/servers.sh status >/dev/null 2>&1 || running=0
  # Also when they run: up refuses a set of other servers than the wanted ones.
  # No power is cut in these tests, only processes are killed, so nothing has to reach the disk.
  ETL_SYNC_PG_OPTS="-c fsync=off" ETL_SYNC_MARIADB_OPTS="--innodb-flush-log-at-trx-commit=2 --innodb-doublewrite=0" \
    scripts/servers.sh up || return
  STARTED=$((1 - running))
  env=$(scripts/servers.sh env) && eval "$env"
}

make_dbt() { # a virtual environment with dbt for tests/it/dbt.rs; without it they are skipped, and the summary says so
  local venv=$TARGET/tmp/dbt wanted=tests/dbt/requirements.txt
  cmp -s "$wanted" "$venv/made-of" && return
  rm -rf "$venv"
  mkdir -p "$TARGET/tmp"
  if /usr/bin/python3 -m venv "$venv" && timeout 600 "$venv/bin/pip" install -q --no-input --disable-pip-version-check -r "$wanted"; then
    cp "$wanted" "$venv/made-of"
  else
    rm -rf "$venv"
    printf 'no dbt: its packages cannot be had here\n'
  fi
}

pair() { # pair SOURCE WAREHOUSE: PAIR_TESTS on a set of these servers, which runs only meanwhile
  (
    export ETL_SYNC_SOURCE_SERVER=$1 ETL_SYNC_WAREHOUSE_SERVER=$2 ETL_SYNC_SERVERS_DIR=$TARGET/tmp/pair-$1-$2
    servers || exit
    cargo test --quiet --no-fail-fast --test it -- "${PAIR_TESTS[@]}"
    status=$?
    scripts/servers.sh down
    exit "$status"
  )
}

pairs() {
  local each why source warehouse status=0
  say "servers of other pairs"
  why=$(scripts/newer-servers.sh 2>&1 >/dev/null) || status=$?
  [[ -z $why ]] || printf '%s\n' "$why"
  why=${why##*$'\n'} # the last line tells why
  for each in "${PAIRS[@]}"; do
    read -r source warehouse <<<"$each"
    if ((status == 4)); then
      printf 'SKIPPED %s on %s and PostgreSQL %s: %s\n' "${PAIR_TESTS[*]}" "$source" "$warehouse" "${why#newer-servers.sh: }" >>"$ETL_SYNC_TEST_NOTES"
    else
      step "$source $warehouse" pair "$source" "$warehouse"
    fi
  done
}

say "seed of the campaigns: ETL_SYNC_TEST_SEED=$ETL_SYNC_TEST_SEED"
install_missing || exit 1
servers || exit 1

step format cargo fmt --check
step lints cargo clippy --all-targets --quiet -- -D warnings
step dbt make_dbt
step tests cargo test --quiet --no-fail-fast
pairs
step judge /usr/bin/python3 tests/judge_test.py

say "summary"
cat "$WORK/steps"
awk '/^test result/ {passed += $4; failed += $6; ignored += $8} /^Ran/ {judge += $2}
     END {printf "tests          %d passed, %d failed, %d ignored; %d tests of the judge\n", passed, failed, ignored, judge}' "$WORK/counts"
sort -u "$ETL_SYNC_TEST_NOTES"
printf 'skipped        %d\n' "$(grep -c '^SKIPPED' "$ETL_SYNC_TEST_NOTES")"
printf 'time           %d s\n' "$SECONDS"
if ((${#FAILED[@]} > 0)); then
  printf 'FAILED: %s\n' "${FAILED[*]}"
  exit 1
fi
printf 'all passed\n'
