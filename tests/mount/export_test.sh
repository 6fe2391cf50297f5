#!/bin/bash
# Goal: files of a mount are found by their handles after the kernel has forgotten them, as servers of NFS need it, and
# with subdir= nothing outside of that folder is.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'only root may open files by handles'

make_samples "$scratch/tree" 3 20 1000
mkdir -p "$scratch/tree/deep/er/still"
echo deep >"$scratch/tree/deep/er/still/file"
ln "$scratch/tree/deep/er/still/file" "$scratch/tree/link"
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt
handles() { /usr/bin/python3 "$support/file_handles.py" "$@"; }

mount_pack "$scratch/tree.quire" "$mnt" -o allow_other
opened=$(handles "$mnt") || fail 'files are not found by their handles'
assert_equal "$opened" "$(find "$scratch/tree" | wc -l)" 'files found by handles'
assert_equal "$(handles "$mnt" "$mnt/link" "$mnt/deep/er/still/file" "$mnt/deep/er/still")" 3
umount_pack "$mnt"

mount_pack "$scratch/tree.quire" "$mnt" -o subdir=deep
assert_equal "$(handles "$mnt")" 4 'files found by handles in a folder of the pack'
umount_pack "$mnt"
# The handle of a file outside of the folder: made in a mount of the whole pack, used in one of the folder.
mount_pack "$scratch/tree.quire" "$mnt"
mount_pack "$scratch/tree.quire" "$scratch/part" -o subdir=deep
assert_equal "$(handles --in "$scratch/part" "$mnt/000/00001.bin")" ESTALE 'a file outside of subdir='
pass
