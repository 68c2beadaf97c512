#!/usr/bin/env bash
# Owns one nightly batch run for cron or a timer: one at a time, one log file per run, the exit code passed through. Silent when
# all is well; prints one line when not, which cron mails.
# In this order: the age of tables.yml, the window, `check` of servers and rights, the run, `verify`, `report`, the files. ETL_SYNC_PING_URL and
# ETL_SYNC_WEBHOOK_URL are told of the run by itself, and of a check or a verify that failed by `etl-sync notify`.
# Usage: scripts/nightly.sh [ARGUMENTS OF etl-sync run]
# Environment (all optional; etl-sync's own ETL_SYNC_* variables are passed on, among them ETL_SYNC_WINDOW,
# ETL_SYNC_METRICS_FILE, ETL_SYNC_PING_URL and ETL_SYNC_WEBHOOK_URL):
#   ETL_SYNC_BIN         the program                                    (etl-sync)
#   ETL_SYNC_PARALLEL    workers                                        (8)
#   ETL_SYNC_ENV_FILE    file of NAME=value lines, read by the shell; mode 0600   (none)
#   ETL_SYNC_LOG_DIR     one .log and one .json per run                 ($XDG_STATE_HOME/etl-sync/logs)
#   ETL_SYNC_LOG_KEEP    runs whose files are kept                      (30)
#   ETL_SYNC_LOCK_FILE   lock of this script                            ($ETL_SYNC_LOG_DIR/nightly.lock)
#   ETL_SYNC_TIMEOUT     seconds until etl-sync is asked to stop, 0: never   (0)
#   ETL_SYNC_CHECK       on: `etl-sync check` first, and no run when it fails; off   (on)
#   ETL_SYNC_VERIFY_DEPTH   how deep `etl-sync verify` looks after a run that came to its end: counts, ledger, rows; off   (counts)
#   ETL_SYNC_REPORT      on: `etl-sync report` after each run, report.html in its state directory; off   (on)
#   ETL_SYNC_TABLES_AGE_WARN   days after which the log says that nobody has looked at tables.yml, 0: never   (30)
#   ETL_SYNC_TABLES_AGE_MAX    days after which nothing is run, 0: never; runs compare the live catalogs all the same   (0)
#   ETL_SYNC_JSON_LINE   prefix of a last line on standard output: the result as JSON, for schedulers   (none)
# Exit codes: those of etl-sync run; where it says 0 or 3 and verify found worse, that of verify; 75 when another nightly run
# holds the lock; 73 when the log cannot be written.
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
CHECK=${ETL_SYNC_CHECK:-on}
DEPTH=${ETL_SYNC_VERIFY_DEPTH:-counts}
JSON_LINE=${ETL_SYNC_JSON_LINE:-}
REPORT=${ETL_SYNC_REPORT:-on}
AGE_WARN=${ETL_SYNC_TABLES_AGE_WARN:-30}
AGE_MAX=${ETL_SYNC_TABLES_AGE_MAX:-0}
# It is this script's line then, and etl-sync's names that begin alike are not ours.
unset ETL_SYNC_JSON_LINE ETL_SYNC_CHECK ETL_SYNC_VERIFY_DEPTH ETL_SYNC_REPORT ETL_SYNC_TABLES_AGE_WARN ETL_SYNC_TABLES_AGE_MAX

[[ $KEEP =~ ^[1-9][0-9]*$ ]] || die 2 "ETL_SYNC_LOG_KEEP must be a number from 1"
[[ $TIMEOUT =~ ^[0-9]+$ ]] || die 2 "ETL_SYNC_TIMEOUT must be a number of seconds"
[[ $CHECK =~ ^(on|off)$ ]] || die 2 "ETL_SYNC_CHECK must be on or off"
[[ $DEPTH =~ ^(counts|ledger|rows|off)$ ]] || die 2 "ETL_SYNC_VERIFY_DEPTH must be counts, ledger, rows or off"
[[ $REPORT =~ ^(on|off)$ ]] || die 2 "ETL_SYNC_REPORT must be on or off"
[[ $AGE_WARN =~ ^[0-9]+$ && $AGE_MAX =~ ^[0-9]+$ ]] || die 2 "ETL_SYNC_TABLES_AGE_WARN and _MAX must be numbers of days"
command -v "$BIN" >/dev/null || die 2 "program not found: $BIN"
mkdir -p "$LOG_DIR" || die 73 "cannot make $LOG_DIR"

# The kernel frees the lock when the last holder ends, so a killed run leaves none behind. etl-sync inherits it on
# purpose: when only this script is killed, the run still counts.
exec {lock}>>"$LOCK" || die 73 "cannot write $LOCK"
flock --nonblock "$lock" || die 75 "another run holds $LOCK"

stamp=$(date -u +%Y%m%dT%H%M%SZ)
log=$LOG_DIR/nightly-$stamp-$$.log
result=$LOG_DIR/nightly-$stamp-$$.json
: >"$log"

tables=${ETL_SYNC_CONFIG_DIR:-config}/tables.yml
if [[ -e $tables ]]; then
  age=$((($(date +%s) - $(stat -c %Y "$tables")) / 86400))
  if ((AGE_MAX > 0 && age > AGE_MAX)); then
    die 2 "$tables is $age days old, more than $AGE_MAX: look at \`etl-sync discover\`, then touch it"
  elif ((AGE_WARN > 0 && age > AGE_WARN)); then
    say "$tables is $age days old: \`etl-sync discover\` shows what has changed since" >>"$log"
  fi
fi

# In the background, so that signals reach etl-sync at once and not after it has ended. Gives the exit code in `code`.
stopped=0
ends() {
  local child
  "$@" 2>>"$log" &
  child=$!
  trap 'stopped=1; kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
  while :; do
    code=0
    wait "$child" || code=$?
    # A trapped signal ends wait early; the program itself goes on draining.
    kill -0 "$child" 2>/dev/null || break
  done
  trap 'stopped=1' TERM INT HUP
}

# The window comes first: outside it no server is asked anything.
check() { ends "$BIN" check --in-window --quiet >>"$log"; }

MARK=@nightly@
run() {
  local command=("$BIN" run --parallel "$PARALLEL" --json-line "$MARK")
  if ((TIMEOUT > 0)); then command+=(--until "${TIMEOUT}s"); fi
  ends "${command[@]}" "$@" >"$result.part"
  # The last line is the result, what stands before it is for people.
  sed '$d' "$result.part" >>"$log"
  tail -n 1 "$result.part" | sed "s/^$MARK//" >"$result"
  rm -f -- "$result.part"
}

# Worse than 0 and 3 is only what verify says; a run that failed keeps its own code.
verify() {
  local of_run=$code
  ends "$BIN" verify --depth "$DEPTH" --quiet >>"$log"
  if ((of_run == 1)) || ((code == 0)); then code=$of_run; fi
}

code=0
if [[ $CHECK == on ]]; then check; fi
by=check
if ((code == 0 && stopped == 0)); then
  by=run
  run "$@"
  case $code in
    0 | 1 | 3)
      before=$code
      if [[ $DEPTH != off ]] && ((stopped == 0)); then verify; fi
      if ((code != before)); then by=verify; fi
      ;;
  esac
fi
if ((stopped == 1 && code == 0)); then code=143; fi
trap - TERM INT HUP

# What cannot be drawn fails no night.
if [[ $REPORT == on && $by != check ]]; then "$BIN" report --quiet >>"$log" 2>&1 || true; fi

# The oldest files go; names sort by time.
for kind in log json; do
  mapfile -t old < <(find "$LOG_DIR" -maxdepth 1 -name "nightly-*.$kind" -printf '%f\n' | sort -r | tail -n +"$((KEEP + 1))")
  for file in "${old[@]}"; do rm -f -- "$LOG_DIR/$file"; done
done

if ((code != 0)); then
  # The log's last error; tables' own errors are in the document.
  reason=$(grep -E '^error: ' "$log" | tail -n 1 || true)
  if [[ -z $reason ]]; then
    case $by-$code in
      *-4) reason="stopped at its deadline, the next run goes on" ;;
      *-130 | *-143) reason="stopped by a signal, the next run goes on" ;;
      verify-*) reason="both sides differ or could not be compared" ;;
      *) reason="$(grep -oE '"failure_count":[0-9]+' "$result" 2>/dev/null | tail -n 1 | cut -d: -f2 || true) tables failed" ;;
    esac
  fi
  if [[ $by != run ]]; then "$BIN" notify "$code" --why "$by: exit code $code" --quiet 2>>"$log" || true; fi
  say "exit code $code of $by, ${reason#error: }; log $log"
fi
# The last line of all. A check that failed left no result of a run, and verify's code goes before the run's own.
if [[ -n $JSON_LINE ]]; then
  if [[ ! -s $result ]]; then printf '{"schema_version":1,"status":"failed","exit_code":%d,"error":{"kind":"check"}}\n' "$code" >"$result"; fi
  if [[ $by == verify ]]; then sed -E -i '0,/"status":"[a-z]+"/s//"status":"failed"/' "$result"; fi
  printf '%s%s\n' "$JSON_LINE" "$(sed -E "0,/\"exit_code\":[0-9]+/s//\"exit_code\":$code/" "$result")"
fi
exit "$code"
