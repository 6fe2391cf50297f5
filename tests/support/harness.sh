# SPDX-License-Identifier: Apache-2.0
# What every test script needs: a scratch folder, mounts that are always taken down, checks that say what failed.
# Sourced first by tests/mount/*_test.sh and tests/real/*_test.sh:
#   . "$(dirname "$0")/../support/harness.sh"
# shellcheck shell=bash
# The exit status of a test is 0 (passed), 1 (failed) or 77 (skipped, the reason printed).
set -euo pipefail
export LC_ALL=C TZ=UTC
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH  # Debian's python3 before any other
export PYTHONDONTWRITEBYTECODE=1             # trees under test stay as they are
umask 022

support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$support/../.." && pwd)
QUIRE=$(realpath "${QUIRE:-$repository/build/release/bin/quire}")
# Not /tmp, which Debian 13 keeps in memory: real disks are what packs lie on.
scratch=$(mktemp -d "${QUIRE_TEST_DIR:-/var/tmp}/quire-test.XXXXXX")
chmod 755 "$scratch"
# Where a daemon logs to where there is no syslog.
export LOGS_DIRECTORY=$scratch/logs
mkdir -m 1777 "$LOGS_DIRECTORY"

passed=no
mounts=()
users=()
groups=()      # folders of control groups
background=()  # process ids that must not outlive the test

clean_up() {
  local status=$? i
  set +e
  for i in "${background[@]}"; do kill -CONT "$i" && kill -KILL "$i"; done 2>/dev/null
  for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do take_down "${mounts[i]}"; done
  rm -rf --one-file-system "$scratch"
  for i in "${users[@]}"; do until_true 5 userdel "$i"; done  # once the daemons of a test that failed have ended
  for i in "${groups[@]}"; do [ ! -d "$i" ] || until_true 5 rmdir "$i"; done
  # A command that 'set -e' stopped at has printed little: make sure that the log names the place.
  [ "$passed" = yes ] || [ $status -eq 77 ] || printf 'FAILED (status %d)\n' $status >&2
  [ "$passed" = yes ] || [ $status -ne 0 ] || status=1  # the script ended before its last line
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'printf "%s:%d: stopped at: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR
set -E

# The last line of every test.
pass() { passed=yes; exit 0; }
fail() { printf '%s:%d: %s\n' "${BASH_SOURCE[1]}" "${BASH_LINENO[0]}" "$*" >&2; exit 1; }
skip() { printf 'SKIPPED: %s\n' "$*"; exit 77; }
# For a part of a test that cannot run here: the rest still counts.
leave_out() { printf 'left out: %s\n' "$*"; }

# tally COUNT WHAT: how often a test tried something, in a line that `tests/run --trust` adds up: `tally 120 'kills of a packer'`.
tally() { printf 'tried: %s %s\n' "$1" "$2"; }
# trust_seconds SHORT: for how long a test goes on trying at random: SHORT, or what `tests/run --trust` gives it.
trust_seconds() { echo "${QUIRE_TRUST_S:-$1}"; }
# What it begins its chances with: a short run always tries the same, a long one something new, and QUIRE_SEED what it says.
trust_seed() { if [ -n "${QUIRE_SEED-}" ]; then echo "$QUIRE_SEED"; elif [ -n "${QUIRE_TRUST_S-}" ]; then echo "$RANDOM$RANDOM"; else echo 1; fi; }

[ -x "$QUIRE" ] || fail "no quire at $QUIRE: build it first, or set QUIRE"

is_root() { [ "$(id -u)" -eq 0 ]; }
need_fuse() {
  [ -e /dev/fuse ] || skip 'there is no /dev/fuse'
  is_root || command -v fusermount3 >/dev/null || skip 'there is no fusermount3'
}

quire() { "$QUIRE" "$@"; }
pack() { quire pack --progress never "$@" >"$scratch/pack.log" 2>&1 || { cat "$scratch/pack.log" >&2; fail "quire pack $*"; }; }

take_down() {
  is_mounted "$1" || return 0
  fusermount3 -u -z "$1" 2>/dev/null || umount -l "$1"
}
gone() { ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2>/dev/null; }  # a process, zombies being gone
is_mounted() { grep -qF " $1 " /proc/self/mountinfo; }

# mount_pack PACK DIR [OPTION...]: makes DIR, mounts, and takes it down again when the test ends.
mount_pack() {
  local pack=$1 dir=$2
  shift 2
  mkdir -p "$dir"
  mounts+=("$dir")
  quire mount "$@" "$pack" "$dir" || fail "quire mount $* $pack $dir"
  is_mounted "$dir" || fail "quire mount returned, but nothing is mounted on $dir"
}
umount_pack() {
  quire umount "$1" || fail "quire umount $1"
  ! is_mounted "$1" || fail "quire umount returned, but $1 is still mounted"
}

# is_sanitized KIND...: whether $QUIRE was built with one of these sanitizers (asan, tsan).
is_sanitized() {
  local kind
  for kind in "$@"; do ! grep -qa "__${kind}_init" "$QUIRE" || return 0; done
  return 1
}

# start_slow_disk FILE DIR: shows FILE as $slow_pack, a file below DIR on a disk that obeys the rules in $slow_rules
# (support/slow_file.cc says how), a file that is empty at first.
start_slow_disk() {
  local program=${SLOW_FILE:-$(dirname "$QUIRE")/slow_file}
  [ -x "$program" ] || skip "no $program: build the target slow_file"
  slow_rules=$scratch/slow-rules
  slow_pack=$2/${1##*/}
  : >"$slow_rules"
  mkdir -p "$2"
  mounts+=("$2")
  "$program" "$1" "$slow_rules" "$2" &
  background+=($!)
  disown  # bash need not tell how it ends
  until_true 10 is_mounted "$2" || fail 'the slow disk is not mounted'
}

# make_memory_group LIMIT: a control group, $memory_group, whose processes and their page cache get so much memory. False
# where none can be made. in_memory_group COMMAND... runs a command in it, whose daemons stay there; join_memory_group PID
# moves a process.
make_memory_group() {
  local top=/sys/fs/cgroup file=memory.max
  is_root || return 1
  if [ -e "$top/memory/memory.limit_in_bytes" ]; then
    top=$top/memory file=memory.limit_in_bytes
  else
    { echo +memory >"$top/cgroup.subtree_control"; } 2>/dev/null || return 1
  fi
  memory_group=$top/quire-test-$$-${#groups[@]}
  mkdir "$memory_group" 2>/dev/null || return 1
  groups+=("$memory_group")
  { echo "$1" >"$memory_group/$file"; } 2>/dev/null
}
join_memory_group() { echo "$1" >"$memory_group/cgroup.procs"; }
in_memory_group() { (join_memory_group "$BASHPID" && exec "$@"); }
# How many of its processes the kernel has killed, since memory ran out.
killed_in_memory_group() {
  local file=$memory_group/memory.events
  [ -e "$file" ] || file=$memory_group/memory.oom_control
  awk '$1 == "oom_kill" {print $2}' "$file"
}

# The daemon that serves the mounts of a pack: its process id.
daemon_of() { pgrep -f -- "quire mount .*$1" || fail "no daemon serves $1"; }

# The daemon that serves one mount, whoever started it: its process id. The newest: umount(8) does not wait for the end of the one before.
daemon_of_mount() { pgrep -n -f -- "quire .*$1( |\$)" || fail "no daemon serves $1"; }

# await_memory DIR: waits until the mount finds enough memory for others that it may push and sweep. Where other tests, or
# other people's programs, make tasks wait for memory, it does neither.
has_memory() { [ "$(json 'd["push"]["is_memory_short"]' <"$1/.quire/stats")" = False ]; }
await_memory() { until_true 60 has_memory "$1" || fail "memory was short for a minute: $(cat /proc/meminfo /proc/pressure/memory)"; }

# until_true SECONDS COMMAND...: waits for something that another process does.
until_true() {
  local tries=$(($1 * 50))
  shift
  while ! "$@" 2>/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.02
  done
}

# An ordinary user: the one who runs the test, or one made for it when that is root.
# Afterwards `as_user COMMAND...` runs as that user, who owns $user_home and can execute $user_quire.
make_ordinary_user() {
  user_home=$scratch/home
  user_quire=$scratch/quire  # the build folder may be closed to others
  mkdir -p "$user_home"
  cp "$QUIRE" "$user_quire"
  if is_root; then
    user=quire-test-$$
    useradd --system --no-create-home --home-dir "$user_home" "$user" 2>/dev/null || skip 'cannot make a user'
    users+=("$user")
    chown "$user:" "$user_home"
  else
    user=$(id -un)
  fi
}
as_user() { if is_root; then runuser -u "$user" -- "$@"; else "$@"; fi; }

# assert_exit STATUS COMMAND...: runs it with its output in $output, and compares its exit status.
assert_exit() {
  local wanted=$1 status=0
  shift
  output=$("$@" 2>&1 </dev/null | tr -d '\0') || status=$?
  [ "$status" -eq "$wanted" ] || { printf '%s\n' "$output" >&2; fail "line ${BASH_LINENO[0]}: exit status $status, not $wanted: $*"; }
}
# assert_says PATTERN...: every basic regular expression is found in $output, in any case.
assert_says() {
  local pattern
  for pattern in "$@"; do
    grep -qi -e "$pattern" <<<"$output" || { printf '%s\n' "$output" >&2; fail "line ${BASH_LINENO[0]}: nothing says '$pattern'"; }
  done
}
assert_equal() { [ "$1" = "$2" ] || fail "line ${BASH_LINENO[0]}: '$1' is not '$2'${3:+: $3}"; }
# assert_fails COMMAND...: its exit status is not 0, and no signal ended it.
assert_fails() {
  local status=0
  output=$("$@" 2>&1 </dev/null | tr -d '\0') || status=$?
  [ $status -ne 0 ] || { printf '%s\n' "$output" >&2; fail "line ${BASH_LINENO[0]}: succeeded: $*"; }
  [ $status -lt 128 ] || { printf '%s\n' "$output" >&2; fail "line ${BASH_LINENO[0]}: died by a signal ($status): $*"; }
}
# Every path in a pack, one a line, sorted. REQUIRES: no newlines in names, and none that end with ':'.
list_paths() {
  quire ls -R "$1" | awk '
    /:$/ && previous == "" {folder = substr($0, 1, length($0) - 1) "/"; sub(/^\.\//, "", folder); previous = $0; next}
    {previous = $0}
    $0 != "" {print folder $0}' | sort
}
# json EXPRESSION: evaluates a Python expression over the JSON document `d` of standard input.
json() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
