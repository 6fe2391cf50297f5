#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever happens to a mount while it pushes samples and follows plans (unmounting, SIGTERM, SIGKILL, memory running
# out), nobody hangs, no byte is wrong, and what is left can be mounted again.
# QUIRE_STRESS_ROUNDS=N repeats it; 60 rounds take some ten minutes.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

rounds=${QUIRE_STRESS_ROUNDS:-3}
tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree" 10 300 20000
pack "$tree" -o "$tree.quire"
readers=()
start_readers() {
  local i
  readers=()
  for i in 1 2 3 4; do
    python3 "$support/checked_reader.py" "$tree" "$mnt" $i >>"$scratch/wrong" 2>&1 &
    readers+=($!)
    background+=($!)
  done
}
assert_readers_end() {
  local pid
  for pid in "${readers[@]}"; do
    until_true 20 gone "$pid" || { cat "/proc/$pid/stack" >&2; fail "a reader hangs after $1"; }
  done
  assert_equal "$(cat "$scratch/wrong")" '' "what readers saw ($1)"
}
# mount_here OPTIONS WHAT_WAS_BEFORE ['in_group']
mount_here() {
  mkdir -p "$mnt"
  rm -f "$scratch/log"
  (
    [ $# -lt 3 ] || join_memory_group "$BASHPID"
    exec "$QUIRE" mount -f -o "$1" "$tree.quire" "$mnt" 2>"$scratch/log"
  ) &
  daemon=$!
  background+=($daemon)
  # Not by the mount table, where the last one may still stand.
  until_true 20 grep -q " mounted '" "$scratch/log" || { cat "$scratch/log" >&2; fail "not mounted again after $2"; }
  ls -lR "$mnt" >/dev/null
}
is_pushing() { [ "$(json 'd["push"]["samples"]' <"$mnt/.quire/stats")" -gt 50 ]; }
pause() { sleep "$(python3 -c 'import random; print(random.uniform(0, 0.5))')"; }
mounts+=("$mnt")
options=(push=on cache_size=8M,push=on cache_size=16M push=on,threads=2,io=threads)

before='the beginning'
for ((round = 0; round < rounds; ++round)); do
  for how in TERM umount KILL; do
    mount_here "${options[round % ${#options[@]}]}" "$before"
    start_readers
    until_true 20 is_pushing || fail "nothing is pushed: $(cat "$mnt/.quire/stats")"
    pause
    case $how in
      umount) umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt" ;;
      *) kill -$how $daemon ;;
    esac
    [ $how = TERM ] || kill "${readers[@]}" 2>/dev/null || true  # what the kernel holds can still be read, by whoever has the mount
    until_true 20 gone $daemon || { cat /proc/$daemon/task/*/stack >&2; fail "the daemon hangs after $how"; }
    wait $daemon 2>/dev/null || true
    assert_readers_end "$how"
    before=$how
  done
done

# Memory that runs out: readers and daemon in a group that holds a part of the samples.
if make_memory_group 150M; then
  mount_here huge=thp,cache_size=16M,push=on "$before" in_group
  start_readers
  for pid in "${readers[@]}"; do join_memory_group "$pid"; done
  sleep $((2 * rounds))
  assert_equal "$(cat "$scratch/wrong")" '' 'what readers saw in little memory'
  for pid in "${readers[@]}"; do ! gone "$pid" || fail 'a reader ended in little memory'; done
  kill "${readers[@]}"
  assert_readers_end 'little memory'
  umount_pack "$mnt"
  until_true 20 gone $daemon || fail 'the daemon hangs in little memory'
else
  leave_out 'little memory: needs root and control groups that limit memory'
fi
tally $((3 * rounds)) 'ends of a daemon that pushes samples'
pass
