#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a daemon that is stopped or frozen, and a copy of the mount, keep no command waiting: it says what is the matter,
# and what helps.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir -p "$scratch/tree/folder"
echo sample >"$scratch/tree/folder/name"
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt

# soon COMMAND...: as assert_exit 1, and in some seconds.
soon() { assert_exit 1 timeout -k 1 15 "$@"; }

# The signal is sent when kill returns; on a loaded machine the process stops later.
is_stopped() { grep -q '^State:[[:space:]]*T' "/proc/$daemon/status"; }
stop_daemon() { kill -STOP "$daemon" && until_true 10 is_stopped || fail 'the daemon does not stop'; }

mount_pack "$scratch/tree.quire" "$mnt"
daemon=$(daemon_of_mount "$mnt")
background+=("$daemon")  # so that it goes on, however this test ends
stop_daemon
soon "$QUIRE" mount "$scratch/tree.quire" "$mnt"
assert_says "is mounted at '$mnt' already" "process $daemon is stopped" "kill -CONT $daemon" "quire umount $mnt"
soon "$QUIRE" mount "$scratch/tree.quire" "$mnt/folder"
assert_says "lies in the mount at '$mnt'" "process $daemon is stopped"
mkdir "$scratch/other"
soon "$QUIRE" mount "$mnt/folder/name" "$scratch/other"
assert_says "lies in the mount at '$mnt'"
soon "$QUIRE" umount "$mnt/folder"
assert_says "lies in the mount at '$mnt'" "process $daemon is stopped"
output=$(timeout -k 1 15 "$QUIRE" mounts) || fail "quire mounts: status $?"
! grep -F "$mnt " <<<"$output" | grep -q gone || fail "a stopped daemon is taken for a dead one: $output"
soon "$QUIRE" umount "$mnt"
assert_says "'$mnt' is unmounted, but its daemon goes on" "process $daemon is stopped" "kill -CONT $daemon"
! is_mounted "$mnt" || fail 'still mounted'
kill -CONT "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not end when it goes on'

# Stopped for a moment, as debuggers and snapshots do it: the end of the daemon is waited for.
mount_pack "$scratch/tree.quire" "$mnt"
daemon=$(daemon_of_mount "$mnt")
background+=("$daemon")
stop_daemon
(sleep 1 && kill -CONT "$daemon") &
umount_pack "$mnt"
gone "$daemon" || fail 'quire umount returned before the daemon ended'

# Taken away at once, whatever it waits for; and a new one is made in its place meanwhile.
mount_pack "$scratch/tree.quire" "$mnt"
daemon=$(daemon_of_mount "$mnt")
background+=("$daemon")
stop_daemon
assert_exit 0 timeout -k 1 15 "$QUIRE" umount --lazy "$mnt"
mount_pack "$scratch/tree.quire" "$mnt"
cmp "$scratch/tree/folder/name" "$mnt/folder/name"
umount_pack "$mnt"  # though the kernel may have given it the device number of the one before, whose daemon is still there
kill -CONT "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not end when it goes on'

# Nobody sees a daemon: this one runs in another network namespace and is stopped. One that the kernel goes on to wait
# for after its end looks the same, and the connection's abort frees those who wait.
if is_root && [ -d /sys/fs/fuse/connections ]; then
  # Not by io_uring: what the rings of a stopped process have taken waits until it goes on or is killed.
  unshare --net "$QUIRE" mount -o transport=dev "$scratch/tree.quire" "$mnt" || fail 'no mount from another network namespace'
  mounts+=("$mnt")
  daemon=$(daemon_of_mount "$mnt")
  background+=("$daemon")
  stop_daemon
  soon "$QUIRE" mount "$scratch/tree.quire" "$mnt"
  assert_says "is mounted at '$mnt' already" 'no daemon of it is seen' "quire umount $mnt"
  soon "$QUIRE" umount "$mnt/folder"
  assert_says "lies in the mount at '$mnt'" 'no daemon of it is seen'
  cat "$mnt/folder/name" >"$scratch/read" 2>&1 &
  reader=$!
  background+=("$reader")
  controls=/sys/fs/fuse/connections  # which the message says how to mount where systemd has not
  was_mounted=$(mountpoint -q "$controls" && echo yes || echo no)
  eval "$(sed -n "s/.*wait for it by '\([^']*\)'.*/\1/p" <<<"$output")"
  until_true 10 gone "$reader" || fail 'the abort that the message names frees nobody'
  [ $was_mounted = yes ] || umount "$controls"
  mount_pack "$scratch/tree.quire" "$mnt"  # in the place of the one that was aborted
  cmp "$scratch/tree/folder/name" "$mnt/folder/name"
  umount_pack "$mnt"
  kill -CONT "$daemon"
  until_true 10 gone "$daemon" || fail 'the daemon does not end when it goes on'
fi

# Frozen with its control group, of each version that is there.
is_frozen() { grep -qx FROZEN "$group/freezer.state" || grep -qx 'frozen 1' "$group/cgroup.events"; } 2>/dev/null
frozen=0
for folder in /sys/fs/cgroup/freezer /sys/fs/cgroup/unified /sys/fs/cgroup; do
  group=$folder/quire-test-$$
  if ! is_root || [ ! -e "$folder/cgroup.procs" ] || ! mkdir "$group" 2>/dev/null; then continue; fi
  groups+=("$group")
  if [ -e "$group/freezer.state" ]; then
    freeze="FROZEN >$group/freezer.state" thaw="THAWED >$group/freezer.state"
  elif [ -e "$group/cgroup.freeze" ]; then
    freeze="1 >$group/cgroup.freeze" thaw="0 >$group/cgroup.freeze"
  else
    continue
  fi
  mount_pack "$scratch/tree.quire" "$mnt"
  daemon=$(daemon_of_mount "$mnt")
  background+=("$daemon")
  echo "$daemon" >"$group/cgroup.procs"
  eval "echo $freeze"
  until_true 5 is_frozen || fail 'the group is not frozen'
  soon "$QUIRE" mount "$scratch/tree.quire" "$mnt"
  assert_says "process $daemon is frozen"
  soon "$QUIRE" umount "$mnt"
  assert_says "process $daemon is frozen"
  eval "echo $thaw"
  until_true 10 gone "$daemon" || fail 'the daemon does not end when it is thawed'
  frozen=$((frozen + 1))
done
[ $frozen -gt 0 ] || leave_out 'no frozen daemon: no control group can be made here'

# A copy of the mount keeps the daemon: which, is said at once.
if is_root; then
  mkdir "$scratch/copy"
  mount_pack "$scratch/tree.quire" "$mnt"
  mount --bind "$mnt" "$scratch/copy"
  mounts+=("$scratch/copy")
  soon "$QUIRE" umount "$mnt"
  assert_says "'$mnt' is unmounted, but its daemon goes on" "a copy of it is mounted at '$scratch/copy'"
  ! is_mounted "$mnt" || fail 'still mounted'
  cmp "$scratch/tree/folder/name" "$scratch/copy/folder/name" || fail 'the copy does not serve'
  umount_pack "$scratch/copy"
fi
if is_root && unshare -m true 2>/dev/null; then
  mount_pack "$scratch/tree.quire" "$mnt"
  unshare -m --propagation private sleep 60 &
  holder=$!
  background+=("$holder")
  until_true 5 grep -qF " $mnt " "/proc/$holder/mountinfo" || fail 'no copy in the namespace'
  until_true 5 eval "[ \"\$(readlink /proc/$holder/ns/mnt)\" != \"\$(readlink /proc/self/ns/mnt)\" ]" || fail 'no namespace'
  soon "$QUIRE" umount "$mnt"
  assert_says "process $holder (sleep) has a copy of it at '$mnt'"
  kill "$holder"
fi
pass
