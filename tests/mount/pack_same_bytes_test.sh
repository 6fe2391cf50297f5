#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the same tree gives the same bytes on ext4, XFS, btrfs and tmpfs: nothing of the source's file system is in a pack.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
is_root || skip 'mounting needs root'

make_odd_tree "$scratch/tree"
make_samples "$scratch/tree/folder of many" 1 3000 10  # longer than any file system's smallest folder
rm "$scratch/tree/links/longest"         # too long for XFS
rm "$scratch/tree/xattrs/"{long,many}    # too long for ext4 of 1 KiB blocks
pack "$scratch/tree" -o "$scratch/first.quire"

# mount_new KIND OPTION...: makes a file system in a file, and mounts it on $scratch/KIND.
mount_new() {
  local kind=$1
  shift
  command -v "mkfs.$kind" >/dev/null || { leave_out "$kind: there is no mkfs.$kind"; return 1; }
  truncate -s 400M "$scratch/$kind.image"
  "mkfs.$kind" "$@" "$scratch/$kind.image" >"$scratch/log" 2>&1 || fail "mkfs.$kind: $(cat "$scratch/log")"
  mkdir "$scratch/$kind"
  mount -o loop "$scratch/$kind.image" "$scratch/$kind" 2>"$scratch/log" || { leave_out "$kind: $(cat "$scratch/log")"; return 1; }
  mounts+=("$scratch/$kind")
}
compared=0
compare_on() {
  cp -a "$scratch/tree" "$1/tree"
  sync -f "$1"
  pack "$1/tree" -o "$scratch/other.quire" --force
  cmp "$scratch/first.quire" "$scratch/other.quire" || fail "the pack of the tree on $1 differs"
  umount "$1"
  rm -f "$1.image"
  compared=$((compared + 1))
}
if mount_new ext4 -q -F -b 1024; then compare_on "$scratch/ext4"; fi
if mount_new xfs -q; then compare_on "$scratch/xfs"; fi
if mount_new btrfs -q; then compare_on "$scratch/btrfs"; fi
mkdir "$scratch/tmpfs"
if mount -t tmpfs -o size=400m quire-test "$scratch/tmpfs" 2>/dev/null; then
  mounts+=("$scratch/tmpfs")
  if setfattr -n user.x -v 1 "$scratch/tmpfs" 2>/dev/null; then
    compare_on "$scratch/tmpfs"
  else
    leave_out 'tmpfs: this kernel keeps no user.* attributes there'
  fi
fi
[ $compared -gt 0 ] || skip 'no file system could be mounted'

# --mtime and --owner: trees that differ in nothing else give the same pack as well.
mkdir "$scratch/one" "$scratch/two"
make_samples "$scratch/one/tree" 2 5 1000
make_samples "$scratch/two/tree" 2 5 1000
ln "$scratch/one/tree/000/00000.bin" "$scratch/one/tree/link" && ln "$scratch/two/tree/000/00000.bin" "$scratch/two/tree/link"
ln -s x "$scratch/one/tree/symlink" && ln -s x "$scratch/two/tree/symlink"
find "$scratch/two/tree" -exec touch -h -d 2001-01-01 {} +
chown -R 12:34 "$scratch/two/tree"
pack "$scratch/one/tree" -o "$scratch/one.quire" --mtime 2020-02-02 --owner 5:6
pack "$scratch/two/tree" -o "$scratch/two.quire" --mtime @1580601600 --owner 5:6
cmp "$scratch/one.quire" "$scratch/two.quire"
if [ -e /dev/fuse ]; then
  mount_pack "$scratch/one.quire" "$scratch/mnt"
  assert_equal "$(find "$scratch/mnt" -printf '%U:%G %Ts\n' | sort -u)" '5:6 1580601600'
fi
assert_exit 2 quire pack "$scratch/one/tree" -o "$scratch/new.quire" --owner root
assert_says '--owner root'
assert_exit 2 quire pack "$scratch/one/tree" -o "$scratch/new.quire" --mtime yesterday
assert_says '--mtime yesterday'
pass
