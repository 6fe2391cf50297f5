#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: with timeout= a mount goes away when nobody used it for so long, and never while somebody does.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

pack=$scratch/tree.quire
mnt=$scratch/mnt
make_samples "$scratch/tree" 2 10 1000
pack "$scratch/tree" -o "$pack"
ends() { until_true 15 eval "! is_mounted '$mnt'"; }
now_ms() { date +%s%3N; }

# Not used at all: gone, daemon and all, but not before its time.
mount_pack "$pack" "$mnt" -o timeout=2
daemon=$(daemon_of_mount "$mnt")
start=$(now_ms)
ends || fail 'an unused mount stays'
[ $(($(now_ms) - start)) -ge 1900 ] || fail "gone after $(($(now_ms) - start)) ms of 2000"
until_true 10 gone "$daemon" || fail 'the daemon stays'

# Used by a path now and then, for nearly three times as long: all that is read is in the kernel's memory already, and the
# daemon hears nothing of it but the name below the root.
mount_pack "$pack" "$mnt" -o timeout=3
cat "$mnt/000/"* >/dev/null
for _ in {1..16}; do
  sleep 0.5
  cmp "$scratch/tree/000/00003.bin" "$mnt/000/00003.bin"
done
ends || fail 'an unused mount stays'

# Open files, working directories and mappings keep it, without being used.
mount_pack "$pack" "$mnt" -o timeout=1
exec 9<"$mnt/000/00001.bin"
sleep 4
is_mounted "$mnt" || fail 'gone while a file was open'
cmp "$scratch/tree/000/00001.bin" - <&9
exec 9<&-
ends || fail 'it stays after the file was closed'
mount_pack "$pack" "$mnt" -o timeout=1
(cd "$mnt/001" && sleep 4 && cmp "$scratch/tree/001/00001.bin" 00001.bin) || fail 'gone while somebody worked in it'
ends || fail 'it stays after everybody left'

# To look how it fares is no use.
mount_pack "$pack" "$mnt" -o timeout=1
for _ in {1..40}; do
  is_mounted "$mnt" || break
  stat -f "$mnt" >/dev/null 2>&1 || true
  cat "$mnt/.quire/stats" >/dev/null 2>&1 || true
  sleep 0.2
done
! is_mounted "$mnt" || fail 'kept by those who only asked for its space and its stats'

# Without timeout= it stays; so with 0.
mount_pack "$pack" "$mnt" -o timeout=0
sleep 2
umount_pack "$mnt"
pass
