#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
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

# Positions of a listing stay valid, also in another descriptor and in any order.
mount_pack "$scratch/tree.quire" "$scratch/mnt"
python3 - "$scratch/mnt" <<'PYTHON' || fail 'a listing does not go on where telldir(3) said'
import ctypes, os, random, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.fdopendir.restype = libc.readdir64.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
libc.readdir64.argtypes = libc.telldir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
NAME_AT = 19  # in struct dirent64: ino, off, reclen, type

def open_listing(folder):
    return libc.fdopendir(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))

def next_name(listing):
    entry = libc.readdir64(listing)
    return ctypes.string_at(entry + NAME_AT) if entry else None

for folder, folders, _ in os.walk(os.fsencode(sys.argv[1])):
    listing, listed = open_listing(folder), []
    while True:
        place = libc.telldir(listing)
        name = next_name(listing)
        listed.append((place, name))
        if name is None:
            break
    assert [name for _, name in listed[:2]] == [b'.', b'..'] and [n for _, n in listed[2:-1]] == sorted(n for _, n in listed[2:-1]), folder
    other = open_listing(folder)
    for place, name in random.Random(1).sample(listed, min(len(listed), 100)):
        libc.seekdir(other, place)
        assert next_name(other) == name, (folder, place, name)
    libc.closedir(listing), libc.closedir(other)
PYTHON
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
