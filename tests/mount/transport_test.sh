#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount serves the same bytes and ends in the same ways whatever its requests travel by, or says why they cannot.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
disk=$scratch/disk
ends=$scratch/ends  # of readers: a file each, with the exit status
mkdir "$mnt" "$ends"
make_odd_sizes "$tree/sizes"
make_sparse_files "$tree/sparse"
make_samples "$tree/samples" 4 500 3000
pack "$tree" -o "$tree.quire"

transport() { json 'd["transport"]' <"$mnt/.quire/stats"; }
# Whether libfuse has threads that take requests from rings.
has_rings() { grep -q fuse-ring /proc/"$(daemon_of "$scratch")"/task/*/comm; }

has_read() { [ "$(json 'd["counters"]["fill_misses"] + d["counters"]["bypasses"]' <"$mnt/.quire/stats")" -gt 0 ]; }

# Nonsense.
assert_exit 2 quire mount -o transport=tcp "$tree.quire" "$mnt"
assert_says 'transport=tcp' 'auto, dev or uring'

# /dev/fuse always works.
mount_pack "$tree.quire" "$mnt" -o transport=dev,cache_size=8M
assert_equal "$(transport)" '/dev/fuse (as asked)'
! has_rings || fail 'transport=dev has rings'
assert_same_tree "$tree" "$mnt"
umount_pack "$mnt"

# What auto does, its mount tells.
mount_pack "$tree.quire" "$mnt"
assert_equal "$(transport | cut -d ' ' -f 1)" "$(has_rings && echo io_uring || echo /dev/fuse)" 'what auto tells, against its threads'
same_content "$tree" "$mnt" || fail 'with transport=auto'
umount_pack "$mnt"

# io_uring works, or the refusal names what is missing and leaves nothing.
mounts+=("$mnt")
status=0
output=$(quire mount -o transport=uring "$tree.quire" "$mnt" 2>&1) || status=$?
if [ $status -ne 0 ]; then
  assert_equal $status 1 'exit status'
  assert_says "option 'transport=uring'" 'libfuse\|enable_uring\|kernel.io_uring_disabled'
  ! is_mounted "$mnt" || fail 'refused, but mounted'
  ! pgrep -f -- "quire mount .*$scratch" >/dev/null || fail 'a refused mount left a daemon'
  leave_out "${output#quire: }"
  pass
fi
assert_equal "$(transport)" 'io_uring (as asked)'
has_rings || fail 'transport=uring has no rings'
daemon=$(daemon_of "$tree.quire")
assert_same_tree "$tree" "$mnt"
umount_pack "$mnt"
until_true 10 gone "$daemon" || fail 'the daemon outlives its mount'

# Misses of many readers at once, again and again: every reader gets its answer, and its own.
for _ in 1 2 3; do
  mount_pack "$tree.quire" "$mnt" -o transport=uring,cache_size=8M,admit=extent
  (cd "$tree" && find . -type f -size -2000k -print0 | shuf -z --random-source=/bin/bash) >"$scratch/names"
  xargs -0 -n 50 -P 16 bash -c 'for name; do cmp "$0/tree/$name" "$0/mnt/$name" || exit 1; done' "$scratch" <"$scratch/names"
  umount_pack "$mnt"
done

# mount_in_foreground PACK OPTIONS: its process in $daemon.
mount_in_foreground() {
  "$QUIRE" mount -f -o "transport=uring,$2" "$1" "$mnt" 2>"$scratch/log" &
  daemon=$!
  background+=("$daemon")
  until_true 10 is_mounted "$mnt" || { cat "$scratch/log"; fail 'mount -f does not mount'; }
}
# ends_in_order HOW: the daemon is gone, with status 0 and nothing bad in its log.
ends_in_order() {
  local status=0
  until_true 20 gone "$daemon" || fail "after $1: the daemon does not end"
  wait "$daemon" || status=$?
  [ $status -eq 0 ] || { cat "$scratch/log"; fail "after $1: exit status $status"; }
  ! is_mounted "$mnt" || fail "after $1: still mounted"
}

# SIGTERM while readers are busy.
for _ in 1 2 3; do
  mount_in_foreground "$tree.quire" cache_size=8M
  for _ in 1 2 3 4; do (while cat "$mnt"/samples/*/* >/dev/null 2>&1; do :; done) & background+=($!); done
  until_true 10 has_read || fail 'nobody reads'
  kill -TERM "$daemon"
  ends_in_order 'SIGTERM under load'
  # shellcheck disable=SC2046
  wait $(jobs -p) || true
done

# Reads that wait for the disk, which is a mount itself, of a pack that holds the pack; its daemon is stopped.
readers=20
mkdir "$scratch/holder" && cp "$tree.quire" "$scratch/holder/tree.quire"
pack "$scratch/holder" -o "$scratch/disk.quire"
wait_for_disk() {
  local i
  mount_pack "$scratch/disk.quire" "$disk"
  disk_daemon=$(daemon_of "$scratch/disk.quire")
  background+=("$disk_daemon")
  mount_in_foreground "$disk/tree.quire" admit=extent,readahead=off
  ls -lR "$mnt" >/dev/null
  # The first open asks the daemon, and would wait behind reads; from then on the kernel does without.
  cmp "$tree/samples/000/00000.bin" "$mnt/samples/000/00000.bin"
  kill -STOP "$disk_daemon"
  rm -f "$ends"/*
  for ((i = 0; i < readers; ++i)); do
    { status=0; cmp -s "$tree/sizes/2097152 bytes" "$mnt/sizes/2097152 bytes" 2>/dev/null || status=$?; echo $status >"$ends/$i"; } &
    background+=($!)
  done
  # How many wait for the disk the stats cannot tell: who would answer waits as well.
  until_true 10 all_open || fail 'the readers do not open their file'
}
# shellcheck disable=SC2010  # the names are ours
all_open() { [ "$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -cF -- "-> $mnt/sizes/2097152 bytes")" -ge $readers ]; }
all_ended() { [ "$(find "$ends" -type f -size +0 | wc -l)" -eq $readers ]; }
give_disk_back() { until_true 10 quire umount "$disk" || fail 'the pack is still in use'; }

wait_for_disk
kill -CONT "$disk_daemon"
until_true 20 all_ended || fail 'readers wait although the disk answers'
assert_equal "$(cat "$ends"/* | sort -u)" 0 'exit status of the readers'
umount_pack "$mnt"
ends_in_order umount
give_disk_back

wait_for_disk
kill -TERM "$daemon"
until_true 10 eval "! is_mounted '$mnt'" || fail 'SIGTERM waits for the disk before it unmounts'
kill -CONT "$disk_daemon"
ends_in_order 'SIGTERM while reads wait'
until_true 20 all_ended || fail 'readers of a mount that is gone hang'
give_disk_back
pass
