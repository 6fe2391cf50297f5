#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: mounts lists every mount of a pack, and umount says which mount was meant.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir -p "$scratch/tree/train/a" "$scratch/plain"
echo sample >"$scratch/tree/train/a/1"
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/first"
mount_pack "$scratch/tree.quire" "$scratch/second"

ours() { quire mounts | grep -F "$scratch/"; }
assert_equal "$(ours | sed 's/  */ /g')" "$scratch/first $scratch/tree.quire
$scratch/second $scratch/tree.quire"
mounted=$(quire mounts --json | json "[m for m in d['mounts'] if m['mount_point'] == '$scratch/second']")
assert_equal "$mounted" "[{'mount_point': '$scratch/second', 'pack': '$scratch/tree.quire', 'user_id': $(id -u), 'is_dead': False}]"

# A folder in a mount is no mount.
assert_exit 1 quire umount "$scratch/first/train/a"
assert_says "lies in the mount at '$scratch/first'"
(cd "$scratch/first" && assert_exit 1 quire umount train && assert_says "'$scratch/first'")
is_mounted "$scratch/first" || fail 'another mount than the one that was named is gone'
assert_exit 1 quire umount "$scratch/plain"
assert_says "'$scratch/plain' is not a mount point"
assert_exit 2 quire umount
assert_exit 2 quire umount --all "$scratch/first"
is_mounted "$scratch/first" || fail 'a command line that makes no sense took a mount away'

# A daemon that is gone.
kill -KILL "$(daemon_of_mount "$scratch/first")"
says_gone() { quire mounts | grep -F "$scratch/first " | grep -q 'daemon is gone'; }
until_true 10 says_gone || fail "quire mounts: $(quire mounts)"
assert_exit 1 quire umount "$scratch/first/train"
assert_says "lies in the mount at '$scratch/first'"

# Several at once; what cannot be unmounted does not keep the others.
assert_exit 1 quire umount "$scratch/first" "$scratch/plain" "$scratch/second"
assert_says "'$scratch/plain' is not a mount point"
! ours || fail 'still mounted'
pass
