#!/usr/bin/env bash
# Fetches MySQL 9.7 and PostgreSQL 18, which Debian 12 does not have, from Debian's unstable suite: unpacked once into a
# folder of their own, with their own C library, never installed. The folder is .servers-cache of the project
# (ETL_SYNC_SERVERS_CACHE names another one). Prints the folder that holds the servers.
# Usage: scripts/newer-servers.sh
# Exit status: 0 the servers are there, 4 they cannot be had here (no network, no Debian, another processor), 1 broken
set -euo pipefail
umask 022

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${ETL_SYNC_SERVERS_CACHE:-$REPO/.servers-cache}
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE
ELSEWHERE=/var/tmp/etl-sync-servers-cache # for root with a project that nobody else may enter
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
SOURCE="deb [arch=amd64 signed-by=$KEYRING] http://deb.debian.org/debian unstable main"
ROOTS=(mysql-server-core postgresql-18)
WAIT=1800 # seconds that a second caller waits for the first one's download
WORK=''   # the attempt of this run

say() { printf '%s\n' "$*" >&2; }
die() { say "newer-servers.sh: $*"; exit 1; }
cannot() { say "newer-servers.sh: MySQL 9.7 and PostgreSQL 18 cannot be had here: $*"; exit 4; }

# --- who fetches -----------------------------------------------------------------------------------------------

# An install command of apt with a borrowed status file once replaced half a system by unstable packages: apt gives
# every file but the status its place from another setting, and dpkg looks at neither. So nothing here may be able to
# install: only update, cache queries and download, as a user who can change nothing, with dpkg replaced by false.
unprivileged() {
  if ((EUID == 0)); then
    (cd / && exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --inh-caps=-all -- "$@")
  else
    (cd / && exec "$@")
  fi
}

apt() { # apt get|cache ARGUMENT...
  local tool=$1
  shift
  case "$tool $1" in
  'get update' | 'get download' | 'cache depends') ;;
  *) die "apt-$tool $1 is none of the three harmless commands" ;;
  esac
  unprivileged sh -c 'cd "$1" && shift && exec "$@"' sh "$WORK/apt/download" \
    env APT_CONFIG="$WORK/apt/apt.conf" HOME="$WORK/apt" LC_ALL=C "apt-$tool" -o Dir::Bin::dpkg=/bin/false "$@"
}

# Every folder of apt is a private one. Of the machine's own settings those are taken that its owner had to make for a
# mirror to be reached and believed: the proxy, and how old a list may be. Signatures are verified in any case.
apt_config() {
  local dir=$WORK/apt
  mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,log,etc,download}
  : >"$dir/status"
  printf '%s\n' "$SOURCE" >"$dir/etc/sources.list"
  cat >"$dir/apt.conf" <<TEXT
Dir::State "$dir/state";
Dir::State::lists "$dir/state/lists";
Dir::State::status "$dir/status";
Dir::State::extended_states "$dir/state/extended_states";
Dir::Cache "$dir/cache";
Dir::Cache::archives "$dir/cache/archives";
Dir::Log "$dir/log";
Dir::Etc "$dir/etc";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$dir/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Bin::dpkg "/bin/false";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
TEXT
  apt-config dump 2>/dev/null | grep -E '^Acquire::(https?::Proxy|Check-Valid-Until |Check-Date )' >>"$dir/apt.conf" || true
  ((EUID != 0)) || chown -R nobody:nogroup "$dir"
}

# --- what is fetched -------------------------------------------------------------------------------------------

# The two packages and the libraries below them; programs that only their installation needs are left out.
closure() {
  apt cache depends --recurse --important "${ROOTS[@]}" | awk -v roots="${ROOTS[*]}" '
    /^[^ <]/ { package = $1; next }
    /^ [ |](Pre)?Depends: [^<]/ { if (!alternative) below[package] = below[package] " " $2; alternative = /^ \|/; next }
    /^ [ |](Pre)?Depends: </ { alternative = /^ \|/ }
    END {
      count = split(roots, todo, " ")
      for (i = 1; i <= count; i++) {
        if (seen[todo[i]]++) continue
        print todo[i]
        n = split(below[todo[i]], next_ones, " ")
        for (k = 1; k <= n; k++) if (next_ones[k] ~ /^(lib|zlib)/ && next_ones[k] !~ /-perl$/) todo[++count] = next_ones[k]
      }
    }'
}

fetch() {
  local -a packages=()
  apt get update -q >"$WORK/log" 2>&1 || cannot "the list of packages cannot be read: $(reason)"
  mapfile -t packages < <(closure)
  ((${#packages[@]} > ${#ROOTS[@]})) || cannot "the list of packages does not name them"
  say "newer-servers.sh: fetching ${#packages[@]} packages for MySQL 9.7 and PostgreSQL 18, about 60 MB, once"
  apt get download -q "${packages[@]}" >"$WORK/log" 2>&1 || cannot "the download failed: $(reason)"
}

reason() { grep -E '^[EW]:' "$WORK/log" | head -n 1 | tr -d '\n' || true; }

# --- unpacking -------------------------------------------------------------------------------------------------

unpack() {
  local deb
  mkdir "$WORK/servers"
  for deb in "$WORK"/apt/download/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$WORK/servers" --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/bin' ||
      die "${deb##*/} cannot be unpacked"
  done
}

# The programs find their own C library only when its loader starts them, and PostgreSQL's start one another. So each
# gets a script of its name, beside which it finds its files as if it were itself.
wrap() { # wrap PROGRAM
  local elf=$1.elf
  mv "$1" "$elf"
  # shellcheck disable=SC2016
  sed "s|@ROOT@|$(realpath --relative-to="${1%/*}" "$WORK/servers")|" >"$1" <<'TEXT'
#!/bin/sh
here=${0%/*}
root=$here/@ROOT@
lib=$root/usr/lib/x86_64-linux-gnu
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$lib/systemd" --argv0 "$0" "$0.elf" "$@"
TEXT
  chmod 755 "$1"
}

check() {
  local bin=$WORK/servers/usr/lib/postgresql/18/bin
  unprivileged "$WORK/servers/usr/sbin/mysqld" --no-defaults --version >"$WORK/log" 2>&1 &&
    grep -q 'Ver 9\.7\.' "$WORK/log" || cannot "mysqld says: $(tail -n 1 "$WORK/log")"
  unprivileged "$bin/postgres" --version >"$WORK/log" 2>&1 &&
    grep -q ') 18\.' "$WORK/log" || cannot "postgres says: $(tail -n 1 "$WORK/log")"
}

# --- the folder ------------------------------------------------------------------------------------------------

look_around() {
  local program
  [[ $(uname -sm) == 'Linux x86_64' ]] || cannot "they are for Linux on x86_64"
  for program in apt-get apt-cache dpkg-deb setpriv flock; do
    command -v "$program" >/dev/null || cannot "this machine has no $program"
  done
  [[ -r $KEYRING ]] || cannot "there is no $KEYRING to verify packages with"
}

choose_folder() {
  mkdir -p "$CACHE"
  ((EUID != 0)) && return
  chmod 755 "$CACHE"
  unprivileged test -x "$CACHE" && return
  [[ -z ${ETL_SYNC_SERVERS_CACHE:-} ]] || die "$CACHE cannot be entered by the servers' users"
  CACHE=$ELSEWHERE
  mkdir -p "$CACHE"
  [[ -O $CACHE && ! -L $CACHE ]] || die "$CACHE is not ours"
  chmod 755 "$CACHE"
}

clean_up() { [[ -z $WORK ]] || rm -rf "$WORK"; }

make() {
  local program
  exec 9>"$CACHE/lock"
  flock -w "$WAIT" 9 || cannot "another download into $CACHE takes more than $WAIT s"
  [[ ! -d $CACHE/servers ]] || return 0
  rm -rf "$CACHE"/new.* # of interrupted attempts
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  WORK=$(mktemp -d "$CACHE/new.XXXXXX")
  chmod 755 "$WORK"
  apt_config
  fetch
  unpack
  wrap "$WORK/servers/usr/sbin/mysqld"
  for program in postgres initdb pg_ctl; do
    wrap "$WORK/servers/usr/lib/postgresql/18/bin/$program"
  done
  check
  # The last step: a folder of this name is a complete one.
  mv "$WORK/servers" "$CACHE/servers"
}

look_around
choose_folder
[[ -d $CACHE/servers ]] || make
printf '%s\n' "$CACHE/servers"
