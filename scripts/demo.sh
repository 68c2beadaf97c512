#!/usr/bin/env bash
# Owns the demonstration: from a fresh clone to a synced warehouse in one command, with private servers and the
# sample clinic. Safe to repeat; servers and data stay until "scripts/servers.sh down".
# Usage: scripts/demo.sh        ETL_SYNC_DEMO_SCALE=0.1 scripts/demo.sh makes ten times the rows (default 0.01)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SCALE=${ETL_SYNC_DEMO_SCALE:-0.01}

step() { printf '\n== %s\n\n' "$*"; }

if ! command -v cargo >/dev/null; then
  printf 'demo.sh: cargo is missing; install Rust first: https://rustup.rs\n' >&2
  exit 1
fi

step "1. Private MariaDB and PostgreSQL servers"
scripts/servers.sh up
settings=$(scripts/servers.sh env)
eval "$settings"

step "2. Build etl-sync"
cargo build --release --locked
# CARGO_TARGET_DIR may lead elsewhere.
ETL_SYNC=${CARGO_TARGET_DIR:-target}/release/etl-sync

step "3. A sample dental clinic in MariaDB (scale $SCALE)"
scripts/clinic.py --scale "$SCALE"

step "4. First run: everything is new"
printf '$ etl-sync --parallel 8\n'
"$ETL_SYNC" --parallel 8

step "5. Second run: nothing has changed"
printf '$ etl-sync --parallel 8\n'
"$ETL_SYNC" --parallel 8

step "6. What arrived in PostgreSQL"
# Counted, not estimated. The tables whose names begin with etl_ are etl-sync's own records.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$ETL_SYNC_WAREHOUSE_URL" <<'SQL'
\pset footer off
CREATE TEMPORARY TABLE arrived AS
SELECT n.nspname AS "schema", c.relname AS "table", pg_total_relation_size(c.oid) AS bytes,
  (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]::text::bigint AS "rows"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_schema$|etl_sync$)' AND c.relname !~ '^etl_';
SELECT count(*) AS tables, coalesce(sum("rows"), 0) AS "rows", pg_size_pretty(coalesce(sum(bytes), 0)) AS size FROM arrived;
\echo The five biggest:
SELECT "schema" || '.' || "table" AS "table", "rows", pg_size_pretty(bytes) AS size FROM arrived ORDER BY bytes DESC LIMIT 5;
SQL

cat <<'TEXT'
== Next

  eval "$(scripts/servers.sh env)"        addresses and accounts, for this shell
  psql "$ETL_SYNC_WAREHOUSE_URL"          look around in the warehouse
  scripts/servers.sh down                 stop both servers and remove their data
TEXT
