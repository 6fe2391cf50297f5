#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a connection that is aborted, a daemon that is killed, frozen or stopped in the middle of a push, memory,
# descriptors and threads that run out, and kernels without io_uring or other calls: whoever reads gets right bytes or an
# error, nothing hangs that `quire umount` or the next `quire mount` does not end, and afterwards all is as before.
# QUIRE_SEED replays a run.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'only root may end connections and limit groups'
QUIRE_SEED=$(trust_seed)
RANDOM=$QUIRE_SEED
echo "QUIRE_SEED=$QUIRE_SEED"

tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree" 10 200 20000
pack "$tree" -o "$tree.quire"
mkdir "$mnt"
mounts+=("$mnt")
connections=/sys/fs/fuse/connections
mountpoint -q "$connections" || mount -t fusectl none "$connections"

# --- Readers that go on whatever becomes of the mount

readers=()
start_readers() {
  local i
  readers=()
  rm -f "$scratch"/progress.*
  for i in 1 2 3; do
    python3 "$support/checked_reader.py" "$tree" "$mnt" $i "$scratch/progress.$i" >>"$scratch/wrong" 2>&1 &
    readers+=($!)
    background+=($!)
    disown
  done
  until_true 20 progress_since 0
}
end_readers() {
  local pid
  kill -KILL "${readers[@]}" 2>/dev/null || true
  for pid in "${readers[@]}"; do until_true 20 gone "$pid" || { cat "/proc/$pid/stack" >&2; fail "a reader hangs after $1"; }; done
}
right_reads() { cat "$scratch"/progress.* | awk '{sum += $1} END {print sum + 0}'; }
failed_reads() { cat "$scratch"/progress.* | awk '{sum += $2} END {print sum + 0}'; }
# Every one of them has read more right samples than before.
right_reads_of() { awk '{sum += $1} END {print sum + 0}' "$scratch/progress.$1"; }
mark_progress() { local i; for i in 1 2 3; do marks[i]=$(right_reads_of $i); done; }
all_go_on() { local i; for i in 1 2 3; do [ "$(right_reads_of $i)" -gt "${marks[i]}" ] || return 1; done; }
progress_since() { [ "$(ls "$scratch"/progress.* | wc -l)" -eq 3 ] && [ "$(right_reads)" -gt "$1" ]; }
marks=()
assert_nothing_wrong() { assert_equal "$(cat "$scratch/wrong")" '' "what readers saw ($1)"; }
assert_readers_go_on() {
  mark_progress
  until_true 30 all_go_on || { cat /proc/"${readers[0]}"/stack "$scratch"/progress.* >&2; fail "a reader gets no further after $1"; }
  assert_nothing_wrong "$1"
}
in_state_d() { local pid; for pid in "${readers[@]}"; do ! grep -q '^State:[[:space:]]*D' "/proc/$pid/status" || return 0; done; return 1; }
none_in_state_d() { ! in_state_d; }

# --- The daemon

# mount_here OPTIONS WHAT_WAS_BEFORE: whatever is left there.
mount_here() {
  chosen=$1
  timeout -k 1 30 "$QUIRE" mount -o "$1" "$tree.quire" "$mnt" 2>"$scratch/said" || { cat "$scratch/said" >&2; fail "not mounted again after $2"; }
  daemon=$(daemon_of_mount "$mnt")
  background+=("$daemon")
  connection=$(($(stat -c %d "$mnt") & 255))
}
timed_umount() {
  local status=0
  timeout -k 1 45 "$QUIRE" umount "$mnt" >"$scratch/said" 2>&1 || status=$?
  [ $status -lt 124 ] || fail "quire umount hangs after $event: $(cat "$scratch/said")"
  return $status
}
abort_connection() { echo 1 >"$connections/$connection/abort"; }
is_pushing() { [ "$(json 'd["push"]["samples"]' <"$mnt/.quire/stats")" -gt 20 ]; }
assert_daemon_ends() { until_true 30 gone "$daemon" || { cat /proc/"$daemon"/task/*/stack >&2; fail "the daemon hangs after $1"; }; }
pause() { sleep "0.$((RANDOM % 40 + 10))"; }

freezers=()
for folder in /sys/fs/cgroup/freezer /sys/fs/cgroup/unified /sys/fs/cgroup; do
  group=$folder/quire-pressure-$$
  if [ ! -e "$folder/cgroup.procs" ] || ! mkdir "$group" 2>/dev/null; then continue; fi
  groups+=("$group")
  for file in "$group/freezer.state" "$group/cgroup.freeze"; do [ ! -e "$file" ] || freezers+=("$file"); done
done
# By version 1 and 2 of control groups in turns, where there are both.
freeze() {
  freezer=${freezers[0]}
  freezers=("${freezers[@]:1}" "$freezer")
  echo "$daemon" >"${freezer%/*}/cgroup.procs"
  if [[ $freezer == */freezer.state ]]; then echo FROZEN; else echo 1; fi >"$freezer"
  # A thread that waits in the kernel for one that is frozen already does not freeze itself: then no more is to be had.
  until_true 5 is_frozen || is_freezing || fail 'the group is not frozen'
}
is_freezing() { grep -qxE 'FREEZING|1' "$freezer"; }
is_frozen() { grep -qx FROZEN "$freezer" || grep -qx 'frozen 1' "${freezer%/*}/cgroup.events"; }
thaw() { if [[ $freezer == */freezer.state ]]; then echo THAWED; else echo 0; fi >"$freezer"; }

# --- What may happen to a mount that pushes

# Each leaves a mount that serves, or none that lives, and says which: `lives`.
aborted() { abort_connection; lives=no; }
killed() { kill -KILL "$daemon"; lives=no; }
frozen() { freeze; pause; thaw; lives=yes; }
frozen_and_killed() { freeze; kill -KILL "$daemon"; pause; thaw; lives=no; }
frozen_and_aborted() { freeze; pause; abort_connection; until_true 10 none_in_state_d || fail 'an abort frees no reader of a frozen daemon'; thaw; lives=no; }
stopped() { kill -STOP "$daemon"; sleep "$1"; kill -CONT "$daemon"; lives=yes; }
stopped_and_aborted() { kill -STOP "$daemon"; pause; abort_connection; until_true 10 none_in_state_d || fail 'an abort frees no reader of a stopped daemon'; kill -CONT "$daemon"; lives=no; }
stopped_and_unmounted() {
  kill -STOP "$daemon"
  pause
  assert_exit 0 timeout -k 1 30 "$QUIRE" umount --lazy "$mnt"
  kill -CONT "$daemon"
  # Who has something open keeps it, or waits in open(2) for a daemon that no path leads to any more.
  end_readers 'a lazy unmount of a stopped daemon'
  compared=$((compared + $(right_reads)))
  assert_daemon_ends 'a lazy unmount of a stopped daemon'
  start_readers_of=next
  lives=no
}

seconds=$(trust_seconds 8)
stop_s=1
[ "$seconds" -le 60 ] || stop_s=60
events=(aborted killed 'stopped 0.3' stopped_and_aborted stopped_and_unmounted "stopped $stop_s")
if [ ${#freezers[@]} -gt 0 ]; then events+=(frozen frozen frozen_and_killed frozen_and_killed frozen_and_aborted frozen_and_aborted); else leave_out 'no freezing: no control group can be made here'; fi
options=(push=on cache_size=8M,push=on cache_size=16M push=on,threads=2,io=threads push=off,cache_size=8M direct_io push=on,cache_size=8M,io=uring)
declare -A tried
compared=0
start_readers_of=this
mount_here "${options[0]}" 'the beginning'
start_readers
before='the beginning'
until=$((SECONDS + seconds))
for ((round = 0; round < ${#events[@]} || SECONDS < until; ++round)); do
  # Each once, then at random.
  if ((round < ${#events[@]})); then event=${events[round]}; else event=${events[RANDOM % ${#events[@]}]}; fi
  failed=$(failed_reads)
  if [[ $chosen = *push=on* ]]; then until_true 5 is_pushing || true; fi
  pause
  $event
  if [ $lives = yes ]; then
    assert_readers_go_on "$event"
    assert_equal "$(failed_reads)" "$failed" "reads failed, though the daemon was only $event"
  else
    # At once it may be in use still; but nobody hangs.
    if ((RANDOM % 3 == 0)); then timed_umount || true; fi
    assert_daemon_ends "$event"
    # Or the next mount finds it.
    if ((RANDOM % 2 == 0)) && is_mounted "$mnt"; then timed_umount || { cat "$scratch/said" >&2; fail "umount after $event"; }; fi
    mount_here "${options[RANDOM % ${#options[@]}]}" "$event"
    if [ "$start_readers_of" = next ]; then start_readers; fi
    start_readers_of=this
    assert_readers_go_on "$event"
  fi
  tried[${event%% *}]=$((${tried[${event%% *}]:-0} + 1))
done
tally "$((compared + $(right_reads)))" 'reads compared beside aborts, kills, stops and freezes'
end_readers 'all'
umount_pack "$mnt"
for event in "${!tried[@]}"; do tally "${tried[$event]}" "daemons ${event//_/ } while they pushed"; done

# --- Memory: a competitor in the same group takes and gives back what the readers and the daemon want

if make_memory_group 160M; then
  (join_memory_group "$BASHPID" && exec "$QUIRE" mount -o huge=thp,cache_size=16M,push=on "$tree.quire" "$mnt") || fail 'not mounted in a group'
  daemon=$(daemon_of_mount "$mnt")
  background+=("$daemon")
  start_readers
  for pid in "${readers[@]}"; do join_memory_group "$pid"; done
  cat >"$scratch/competitor.py" <<'PYTHON'
import itertools, random, sys
open('/proc/self/oom_score_adj', 'w').write('1000')
for count in itertools.count(1):
    bytearray(random.randrange(20, 90) << 20)  # zeros, which are written
    with open(sys.argv[1], 'w') as file: file.write(str(count))
PYTHON
  (join_memory_group "$BASHPID" && exec python3 "$scratch/competitor.py" "$scratch/taken") &
  competitor=$!
  background+=("$competitor")
  disown
  sleep $((seconds / 2))
  assert_readers_go_on 'a competitor for memory'
  assert_equal "$(failed_reads)" 0 'reads failed beside a competitor for memory'
  ! gone "$daemon" || fail 'the daemon ended beside a competitor for memory'
  kill -KILL "$competitor" 2>/dev/null || true
  until_true 20 gone "$competitor" || fail 'the competitor does not end'
  tally "$(cat "$scratch/taken")" 'times that a competitor took memory of the group'
  tally "$(right_reads)" 'reads compared beside it'
  end_readers 'a competitor for memory'
  umount_pack "$mnt"
else
  leave_out 'no competitor for memory: control groups do not limit it here'
fi

if is_sanitized asan tsan; then
  leave_out 'few descriptors and threads, and calls that are refused: sanitizers want them themselves'
  pass
fi

# --- Little of something when a mount is made: it serves, or it is refused with a reason and leaves nothing

# serves_or_refused WHAT COMMAND...: which mounts. A refusal says something with $reason.
reason=
made=0
refused=0
serves_or_refused() {
  local what=$1 status=0
  shift
  timeout -k 1 60 "$@" >"$scratch/said" 2>&1 </dev/null || status=$?
  if [ $status -eq 0 ]; then
    is_mounted "$mnt" || fail "$what: mounted, but nothing is there"
    timeout 60 diff -r "$tree/003" "$mnt/003" || fail "$what: it does not serve"
    timeout 60 cat "$mnt/.quire/stats" >/dev/null || fail "$what: no figures"
    timeout 60 "$QUIRE" umount "$mnt" || fail "$what: umount"
    made=$((made + 1))
  else
    [ -s "$scratch/said" ] || fail "$what: refused (status $status) without a word"
    grep -q "$reason" "$scratch/said" || fail "$what: refused for another reason: $(cat "$scratch/said")"
    [ $status -lt 124 ] || [ $status -eq 127 ] || { cat "$scratch/said" >&2; fail "$what: status $status"; }
    echo "$what: $(head -n 1 "$scratch/said")" >>"$scratch/refusals"
    refused=$((refused + 1))
  fi
  ! is_mounted "$mnt" || fail "$what: something is left mounted: $(cat "$scratch/said")"
  until_true 20 eval "! pgrep -f -- 'quire mount.* $mnt' >/dev/null" || fail "$what: a process is left: $(pgrep -fa -- "$mnt")"
}

# Descriptors.
reason='Too many open files\|shared object file: Error 24'  # the latter by ld.so(8): EMFILE
for ((limit = 4; limit < 72; limit += limit < 40 ? 1 : 5)); do
  # shellcheck disable=SC2016
  serves_or_refused "ulimit -n $limit" bash -c 'ulimit -n "$1" && exec "$2" mount "$3" "$4"' - $limit "$QUIRE" "$tree.quire" "$mnt"
done
tally $made 'mounts with few descriptors that served'
tally $refused 'mounts with too few descriptors, which were refused'

# Threads: a group that may have so many processes.
pids=
for folder in /sys/fs/cgroup/pids /sys/fs/cgroup; do
  [ -e "$folder/cgroup.procs" ] && mkdir "$folder/quire-threads-$$" 2>/dev/null || continue
  groups+=("$folder/quire-threads-$$")
  [ ! -e "$folder/quire-threads-$$/pids.max" ] || { pids=$folder/quire-threads-$$; break; }
done
if [ -n "$pids" ]; then
  made=0 refused=0 reason='Resource temporarily unavailable'
  for ((limit = 2; limit < 36; limit += limit < 24 ? 1 : 4)); do
    for io in uring threads; do
      echo max >"$pids/pids.max"
      # shellcheck disable=SC2016
      serves_or_refused "$limit processes, io=$io" bash -c 'echo $$ >"$1/cgroup.procs" && echo "$2" >"$1/pids.max" && exec "$3" mount -o io="$4" "$5" "$6"' - \
        "$pids" $limit "$QUIRE" $io "$tree.quire" "$mnt"
    done
  done
  tally $made 'mounts with few threads that served'
  tally $refused 'mounts with too few threads, which were refused'
  # Afterwards: threads that are made on demand cannot be made, and descriptors run out.
  echo max >"$pids/pids.max"
  mount_here cache_size=8M,push=on 'few threads'
  echo "$daemon" >"$pids/cgroup.procs"
  cat "$pids/pids.current" >"$pids/pids.max"
  soft=$(awk '/^Max open files/ {print $4}' "/proc/$daemon/limits")
  prlimit --pid "$daemon" --nofile="$(ls "/proc/$daemon/fd" | wc -l):"
  start_readers
  sleep $((seconds / 4))
  assert_readers_go_on 'a limit on threads and descriptors'
  assert_equal "$(failed_reads)" 0 'reads failed under a limit on threads and descriptors'
  echo max >"$pids/pids.max"
  prlimit --pid "$daemon" --nofile="$soft:"
  assert_readers_go_on 'the end of a limit on threads and descriptors'
  tally "$(right_reads)" 'reads compared of a daemon that gets no thread and no descriptor'
  end_readers 'a limit on threads'
  umount_pack "$mnt"
else
  leave_out 'no limit on threads: no control group can be made here'
fi

# --- Kernels that lack something

made=0 refused=0 reason=
without() { serves_or_refused "without $*" python3 "$support/without_calls.py" "$@" -- "$QUIRE" mount -o log_file="$scratch/log" "$tree.quire" "$mnt"; }
if python3 "$support/without_calls.py" EPERM acct -- true; then
  for error in EPERM ENOSYS; do
    for call in io_uring_setup io_uring_enter io_uring_register 'io_uring_setup io_uring_enter io_uring_register'; do
      rm -f "$scratch/log"
      before=$refused
      # shellcheck disable=SC2086  # several words
      without $error $call
      assert_equal "$refused" "$before" "refused without $call: $(cat "$scratch/said")"
    done
    grep -q 'io_uring refused' "$scratch/log" || fail "the log does not tell that there is no io_uring: $(cat "$scratch/log")"
    assert_exit 1 python3 "$support/without_calls.py" $error io_uring_setup -- "$QUIRE" mount -o io=uring "$tree.quire" "$mnt"
    assert_says io_uring
    ! is_mounted "$mnt" || fail 'mounted with io=uring, which there is not'
    for call in statx close_range openat2 clone3 rseq membarrier setpriority memfd_create mlock 'mlock2 mlock' prctl seccomp capset capget \
      'eventfd2' 'splice vmsplice tee' getrandom name_to_handle_at sched_getaffinity mbind faccessat2 fallocate sysinfo getrlimit prlimit64 \
      socket statfs readlink readlinkat getdents64 'inotify_init1' 'flock fcntl' 'pipe2'; do
      # shellcheck disable=SC2086
      without $error $call
    done
  done
  without EAGAIN clone clone3
  without ENOMEM memfd_create
  without ENOMEM io_uring_setup
  without EMFILE eventfd2
  tally $made 'mounts without a system call that served'
  tally $refused 'mounts without a system call, which were refused'
else
  leave_out 'no lack of system calls: there is no libseccomp'
fi

# The switch of the kernel; only for as long as one mount is made, since others want io_uring too.
switch=/proc/sys/kernel/io_uring_disabled
if [ -w $switch ]; then
  was=$(cat $switch)
  made=0 refused=0
  echo 2 >$switch
  "$QUIRE" mount -o log_file="$scratch/switch-log" "$tree.quire" "$mnt" || refused=1
  echo "$was" >$switch
  assert_equal $refused 0 'refused without io_uring'
  grep -q 'io_uring refused' "$scratch/switch-log" || fail "the log does not tell of the switch: $(cat "$scratch/switch-log")"
  diff -r "$tree/003" "$mnt/003"
  umount_pack "$mnt"
else
  leave_out "no $switch: the kernel is older than 6.6, or not ours"
fi
[ -z "${QUIRE_SHOW_REFUSALS-}" ] || cat "$scratch/refusals"
pass
