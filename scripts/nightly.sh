#!/usr/bin/env bash
# Owns one nightly batch run for cron or a timer: one at a time, one log file per run, etl-sync's exit code passed
# through. Silent when all is well; prints one line when not, which cron mails.
# Usage: scripts/nightly.sh [ARGUMENTS OF etl-sync run]       0 2 * * *  /opt/etl-sync/scripts/nightly.sh
# Environment (all optional; etl-sync's own ETL_SYNC_* variables are passed on):
#   ETL_SYNC_BIN         the program                                    (etl-sync)
#   ETL_SYNC_PARALLEL    workers                                        (8)
#   ETL_SYNC_ENV_FILE    file of NAME=value lines, read by the shell; mode 0600   (none)
#   ETL_SYNC_LOG_DIR     one .log and one .json per run                 ($XDG_STATE_HOME/etl-sync/logs)
#   ETL_SYNC_LOG_KEEP    runs whose files are kept                      (30)
#   ETL_SYNC_LOCK_FILE   lock of this script                            ($ETL_SYNC_LOG_DIR/nightly.lock)
#   ETL_SYNC_TIMEOUT     seconds until etl-sync is asked to stop, 0: never   (0)
# Exit codes: those of etl-sync; 75 when another nightly run holds the lock; 73 when the log cannot be written.
set -euo pipefail
umask 077

say() { printf 'etl-sync nightly: %s\n' "$*"; }
die() { say "$2"; exit "$1"; }

if [[ -n ${ETL_SYNC_ENV_FILE:-} ]]; then
  [[ -r $ETL_SYNC_ENV_FILE ]] || die 2 "cannot read $ETL_SYNC_ENV_FILE"
  # Passwords in a file that others read are no secret any more.
  [[ -z $(find -L "$ETL_SYNC_ENV_FILE" -perm /077) ]] || die 2 "$ETL_SYNC_ENV_FILE is open to other users: chmod 600"
  set -a
  # shellcheck disable=SC1090
  . "$ETL_SYNC_ENV_FILE"
  set +a
fi

BIN=${ETL_SYNC_BIN:-etl-sync}
PARALLEL=${ETL_SYNC_PARALLEL:-8}
LOG_DIR=${ETL_SYNC_LOG_DIR:-${XDG_STATE_HOME:-${HOME:-/tmp}/.local/state}/etl-sync/logs}
KEEP=${ETL_SYNC_LOG_KEEP:-30}
LOCK=${ETL_SYNC_LOCK_FILE:-$LOG_DIR/nightly.lock}
TIMEOUT=${ETL_SYNC_TIMEOUT:-0}

[[ $KEEP =~ ^[1-9][0-9]*$ ]] || die 2 "ETL_SYNC_LOG_KEEP must be a number from 1"
[[ $TIMEOUT =~ ^[0-9]+$ ]] || die 2 "ETL_SYNC_TIMEOUT must be a number of seconds"
command -v "$BIN" >/dev/null || die 2 "program not found: $BIN"
mkdir -p "$LOG_DIR" || die 73 "cannot make $LOG_DIR"

# The kernel frees the lock when the last holder ends, so a killed run leaves none behind. etl-sync inherits it on
# purpose: when only this script is killed, the run still counts.
exec {lock}>>"$LOCK" || die 73 "cannot write $LOCK"
flock --nonblock "$lock" || die 75 "another run holds $LOCK"

stamp=$(date -u +%Y%m%dT%H%M%SZ)
log=$LOG_DIR/nightly-$stamp-$$.log
result=$LOG_DIR/nightly-$stamp-$$.json

command=("$BIN" run --parallel "$PARALLEL" --json "$@")
if ((TIMEOUT > 0)); then
  command=("$BIN" run --parallel "$PARALLEL" --json --until "${TIMEOUT}s" "$@")
fi

# In the background, so that signals reach etl-sync at once and not after it has ended.
code=0
"${command[@]}" >"$result" 2>"$log" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
while :; do
  code=0
  wait "$child" || code=$?
  # A trapped signal ends wait early; the run itself goes on draining.
  kill -0 "$child" 2>/dev/null || break
done
trap - TERM INT HUP

# The oldest files go; names sort by time.
for kind in log json; do
  mapfile -t old < <(find "$LOG_DIR" -maxdepth 1 -name "nightly-*.$kind" -printf '%f\n' | sort -r | tail -n +"$((KEEP + 1))")
  for file in "${old[@]}"; do rm -f -- "$LOG_DIR/$file"; done
done

if ((code != 0)); then
  # The log's last error; tables' own errors are in the document.
  reason=$(grep -E '^error: ' "$log" | tail -n 1 || true)
  if [[ -z $reason ]]; then
    case $code in
      4) reason="stopped at its deadline, the next run goes on" ;;
      130 | 143) reason="stopped by a signal, the next run goes on" ;;
      *) reason="$(grep -cE '^      "status": "(failed|refused)"' "$result" || true) tables failed" ;;
    esac
  fi
  say "exit code $code, ${reason#error: }; log $log"
fi
exit "$code"
