#!/bin/bash
# Goal: whatever is odd about a tree (names, sizes, holes, links, modes, times, attributes), its mount is equal to it.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

make_odd_tree "$scratch/tree"
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/mnt"
assert_same_tree "$scratch/tree" "$scratch/mnt"
assert_same_tree "$scratch/tree" "$scratch/mnt"  # and again, from what the kernel kept
umount_pack "$scratch/mnt"

# Holes take no space in the pack: the tree's 64 MiB and more of them would show.
stored=$(quire info --json "$scratch/tree.quire" | json 'd["stored_bytes"]')
[ "$stored" -lt $((60 << 20)) ] || fail "the pack stores $stored bytes: holes were stored"

# A tree of nothing, and a tree of one file.
mkdir "$scratch/nothing" "$scratch/single" && echo x >"$scratch/single/file"
for tree in nothing single; do
  pack "$scratch/$tree" -o "$scratch/$tree.quire"
  mount_pack "$scratch/$tree.quire" "$scratch/mnt"
  assert_same_tree "$scratch/$tree" "$scratch/mnt"
  umount_pack "$scratch/mnt"
done

# The longest attribute that Linux has does not fit on ext4, but in a tmpfs.
if [ -w /dev/shm ]; then
  shared=$(mktemp -d /dev/shm/quire-test.XXXXXX)
  touch "$shared/file"
  if python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.long", os.urandom(60000))' "$shared/file" 2>/dev/null; then
    pack "$shared" -o "$scratch/long.quire"
    mount_pack "$scratch/long.quire" "$scratch/mnt"
    same_xattrs "$shared" "$scratch/mnt" || { rm -r "$shared"; fail 'an attribute of 60,000 bytes differs'; }
  else
    leave_out 'no tmpfs with user attributes: the one of 60,000 bytes'
  fi
  rm -r "$shared"
fi
pass
