#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: Ctrl-C is the same in all commands: one message, an end by the signal, nothing left; a signal that was ignored at the
# start, as by nohup, stays ignored.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

mkdir "$scratch/tree" "$scratch/mnt" "$scratch/out"
random_bytes 20000000 a >"$scratch/tree/a"
pack "$scratch/tree" -o "$scratch/tree.quire"
start_slow_disk "$scratch/tree.quire" "$scratch/slow"
mounts+=("$scratch/mnt")
everything="0 $(stat -c %s "$slow_pack")"
hold() { echo "hold $everything" >"$slow_rules.new" && mv "$slow_rules.new" "$slow_rules"; }
let_go() { : >"$slow_rules.new" && mv "$slow_rules.new" "$slow_rules"; }

# start SIGNALS COMMAND...: in the background, with these signals as "default" or "ignore" has them.
start() {
  env "--$1-signal=INT,TERM,HUP,QUIT" "$QUIRE" "${@:2}" >"$scratch/stdout" 2>"$scratch/log" &
  started=$!
  background+=("$started")
}
# A command whose handlers are there: of SIGHUP, 1.
has_signals() { [ $((0x$(awk -v set="$1:" '$1 == set {print $2}' "/proc/$started/status") & $2)) -eq $(($2)) ]; }
is_ready() { has_signals SigCgt 1; }
ignores() { has_signals SigIgn 0x4007; }

# assert_interrupted HOW MESSAGE COMMAND...: "held", where the command ends while its disk hangs. FUSE lets no process end that
# waits for an answer; other file systems do by a signal that is not caught, or caught in another thread: "thread".
assert_interrupted() {
  local signal status how=$1 message=$2
  shift 2
  for signal in INT TERM HUP QUIT; do
    hold
    start default "$@"
    until_true 10 is_ready || fail "$*: no handler"
    sleep 0.1
    kill -$signal "$started"
    [ "$how" != held ] || until_true 10 gone "$started" || fail "quire $*: SIG$signal does not end it while the disk hangs"
    # The thread may come to run after the disk does, where the machine is busy.
    [ "$how" != thread ] || until_true 10 grep -q interrupted "$scratch/log" || fail "quire $*: nothing is said of SIG$signal"
    let_go
    status=0
    wait "$started" || status=$?
    assert_equal $status $((128 + $(kill -l $signal))) "exit status of quire $* after SIG$signal: $(cat "$scratch/log")"
    assert_equal "$(grep '^quire' "$scratch/log")" "$message" "quire $* after SIG$signal"
    assert_equal "$(ls "$scratch/out")" '' "left behind by quire $*"
  done
}
assert_interrupted free 'quire pack: interrupted, nothing was written' pack "$scratch/slow" -o "$scratch/out/new.quire"
assert_interrupted thread 'quire cat: interrupted' cat "$slow_pack" a
assert_interrupted thread 'quire ls: interrupted' ls "$slow_pack"
assert_interrupted thread 'quire info: interrupted' info "$slow_pack"
assert_interrupted held 'quire mount: interrupted' mount "$slow_pack" "$scratch/mnt"
gone_daemon() { ! pgrep -f -- "quire mount $slow_pack" >/dev/null; }
until_true 10 gone_daemon || fail 'an interrupted mount leaves a process'
! is_mounted "$scratch/mnt" || fail 'mounted by the process that was left'

# At any moment of a mount, by Ctrl-C, which reaches the daemon too until it has left the terminal: when the command has
# ended, nothing is mounted and no daemon is left, or all is done and it says so.
python3 - "$QUIRE" "$scratch/tree.quire" "$scratch/mnt" <<'EOF' || fail 'a mount that was interrupted'
import os, signal, subprocess, sys, time
quire, pack, folder = sys.argv[1:]
interrupted = 0
for turn in range(60):
    command = subprocess.Popen([quire, "mount", pack, folder], stderr=subprocess.PIPE, process_group=0)
    time.sleep(0.001 * turn)
    try:
        os.killpg(command.pid, signal.SIGINT)
    except ProcessLookupError:
        pass
    said = command.stderr.read().decode()
    status = command.wait()
    mounted = os.path.ismount(folder)
    assert mounted == (status == 0), f"after {turn} ms: exit status {status}, mounted: {mounted}, {said!r}"
    assert status in (0, -signal.SIGINT), f"after {turn} ms: exit status {status}, {said!r}"
    interrupted += status != 0
    if mounted:
        subprocess.run([quire, "umount", folder], check=True)
assert interrupted > 5, f"only {interrupted} were interrupted"
EOF

# Those that read pages first open the pack, whose index is not slow here.
hold_pages() { echo "hold 8192 19000000" >"$slow_rules.new" && mv "$slow_rules.new" "$slow_rules"; }
hold_pages
start default verify "$slow_pack"
until_true 10 is_ready
until_true 10 grep -q verifying "$scratch/log" || fail 'verify shows no progress'
kill -INT "$started"
let_go
status=0
wait "$started" || status=$?
assert_equal "$status $(grep '^quire' "$scratch/log")" '130 quire verify: interrupted, not all of the pack was checked'

# Ignored at the start: the work goes on to its end.
assert_goes_on() {
  hold
  start ignore "$@"
  until_true 10 ignores || fail "quire $*: a signal that was ignored is not: $(grep Sig "/proc/$started/status")"
  for _ in 1 2; do
    sleep 0.1
    for signal in INT TERM HUP QUIT; do kill -$signal "$started"; done
  done
  ignores || fail "quire $*: it does not ignore them any more"
  let_go
  wait "$started" || fail "quire $*: exit status $?: $(cat "$scratch/log")"
}
assert_goes_on pack "$scratch/slow" -o "$scratch/out/new.quire"
[ -s "$scratch/out/new.quire" ] || fail 'no pack'
assert_goes_on verify "$slow_pack"
assert_goes_on cat "$slow_pack" a
cmp "$scratch/stdout" "$scratch/tree/a"
assert_goes_on extract "$slow_pack" -C "$scratch/extracted"
cmp "$scratch/extracted/a" "$scratch/tree/a"
assert_goes_on ls "$slow_pack"
assert_goes_on mount "$slow_pack" "$scratch/mnt"
cmp "$scratch/mnt/a" "$scratch/tree/a"
kill -HUP "$(daemon_of_mount "$scratch/mnt")"
sleep 0.1
cmp "$scratch/mnt/a" "$scratch/tree/a"
umount_pack "$scratch/mnt"
nohup "$QUIRE" pack --progress never "$scratch/tree" -o "$scratch/out/nohup.quire" >/dev/null 2>&1 </dev/null || fail 'nohup quire pack'
pass
