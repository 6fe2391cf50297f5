#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: nothing of ours keeps a mount busy once the command that made it has returned, and nothing of the pack is held
# once the command that took it away has, on a busy machine too.
. "$(dirname "$0")/../support/harness.sh"
need_fuse
is_root || skip 'only root may unmount without a program of its own'

mkdir "$scratch/tree" "$scratch/mnt" "$scratch/disk"
for i in {1..50}; do head -c 20000 /dev/urandom >"$scratch/tree/$i"; done
mnt=$scratch/mnt
mounts+=("$mnt")

pack "$scratch/tree" -o "$scratch/tree.quire"
# A plan that was told a little while ago: the daemon reads the pipe, and lets go of it.
for _ in {1..25}; do
  quire mount "$scratch/tree.quire" "$mnt"
  ls -f "$mnt" >"$mnt/.quire/plan"
  cat "$mnt"/* >/dev/null
  sleep "0.$((RANDOM % 3))"
  umount_pack "$mnt"
done

# More programs than cores, so that threads of the daemon come late.
for _ in {1..6}; do
  (while :; do :; done) &
  background+=($!)
  disown  # bash need not tell how it ends
done

# By the system call itself: umount(8) takes its time to begin.
cat >"$scratch/at_once.py" <<'END'
import ctypes, os, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def umount(folder):
    return 0 if libc.umount2(folder.encode(), 0) == 0 else ctypes.get_errno()

def last_word(folder):  # it must go in the end
    while umount(folder) != 0:
        time.sleep(0.01)

what, rounds, folder, commands = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
busy = 0
for _ in range(rounds):
    for command in commands:
        subprocess.run(command, shell=True, check=True)
    if umount(folder) != 0:
        busy += 1
        last_word(folder)
if busy:
    sys.exit(f"{what}: busy {busy} times of {rounds}")
END
at_once() { /usr/bin/python3 "$scratch/at_once.py" "$@" || fail 'something is held'; }

at_once 'the mount' 40 "$mnt" "'$QUIRE' mount '$scratch/tree.quire' '$mnt'"

# The daemon is gone, and not only its mount.
for _ in {1..10}; do
  quire mount "$scratch/tree.quire" "$mnt"
  daemon=$(daemon_of_mount "$mnt")
  cat "$mnt"/* >/dev/null
  umount_pack "$mnt"
  gone "$daemon" || fail 'quire umount returned before the end of the daemon'
done

# The file system of the pack is free when a command that used the pack has returned.
truncate -s 30M "$scratch/image"
if mkfs.ext4 -q "$scratch/image" 2>/dev/null && mount -o loop "$scratch/image" "$scratch/disk" 2>/dev/null; then
  mounts+=("$scratch/disk")
  pack "$scratch/tree" -o "$scratch/disk/tree.quire"
  umount "$scratch/disk"
  disk="mount -o loop '$scratch/image' '$scratch/disk'"
  on_disk="'$scratch/disk/tree.quire'"
  at_once 'the disk after quire umount' 10 "$scratch/disk" "$disk" \
    "'$QUIRE' mount $on_disk '$mnt'; cat '$mnt'/1* >/dev/null; '$QUIRE' umount '$mnt'"
  at_once 'the disk after quire verify' 5 "$scratch/disk" "$disk" "'$QUIRE' verify -q $on_disk"
  at_once 'the disk after quire cat' 5 "$scratch/disk" "$disk" "'$QUIRE' cat $on_disk 7 >/dev/null"
else
  leave_out 'no disk of its own: there are no loop devices here'
fi
pass
