#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: owners, modes and the root of a mount are those that its options ask for, and all else is as in the pack.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

tree=$scratch/tree
mkdir -p "$tree/deep/er/folder" "$tree/comma, here"
echo top >"$tree/top"
echo one >"$tree/deep/one" && chmod 4755 "$tree/deep/one"
echo two >"$tree/deep/er/two" && chmod 400 "$tree/deep/er/two"
chmod 1777 "$tree/deep/er/folder"
ln "$tree/top" "$tree/deep/hard"       # its first name is outside of the folder
ln -s ../er/two "$tree/deep/er/symlink"
ln -s deep/er "$tree/way"
setfattr -n user.kept -v yes "$tree/deep/er"
make_samples "$tree/deep/samples" 2 50 3000
touch "$tree/comma, here/file"
pack=$scratch/tree.quire
pack "$tree" -o "$pack"
mnt=$scratch/mnt
# Without the sizes of folders, which are the file system's.
attributes() { (cd "$1" && find . -printf '%p %y %U:%G %m %s %T@ %n %l\n' | sed -E 's/^(.* d [^ ]+ [^ ]+) [0-9]+ /\1 - /' | sort); }
mount_with() { mount_pack "$pack" "$mnt" -o "$1"; }

# Owners and masks. Symlinks keep their mode, all keep size, time, links and target.
mount_with uid=12,gid=34,umask=027
assert_equal "$(attributes "$mnt")" "$(attributes "$tree" |
  sed -E 's/^(.*) ([dfl]) [0-9]+:[0-9]+ /\1 \2 12:34 /; s/ ([df]) 12:34 [0-7]+ / \1 12:34 750 /')" 'uid, gid and umask'
umount_pack "$mnt"
mount_with umask=077,fmask=0133
assert_equal "$(find "$mnt" -type f -printf '%m\n' | sort -u)" 644 'fmask of files'
assert_equal "$(find "$mnt" -type d -printf '%m\n' | sort -u)" 700 'umask of folders'
umount_pack "$mnt"
mount_with dmask=0
assert_equal "$(find "$mnt" -type d -printf '%m\n' | sort -u)" 777 'dmask of folders'
assert_equal "$(stat -c %a "$mnt/deep/one" "$mnt/deep/er/two" | tr '\n' ' ')" '4755 400 ' 'files without a mask'
umount_pack "$mnt"

# A folder as the root: everything of it, and nothing else.
for subdir in deep /deep/ ./deep 'way/..'; do
  mount_with "subdir=$subdir"
  assert_same_tree "$tree/deep" "$mnt"
  assert_equal "$(stat -c '%i' "$mnt")" 1 'inode of the root'
  # The inodes that listings tell are those of stat, in the root and one below.
  python3 - "$mnt" <<'PYTHON'
import os, sys
for top, folders, files in os.walk(sys.argv[1]):
    for entry in os.scandir(top): assert entry.inode() == entry.stat(follow_symlinks=False).st_ino, entry.path
inode = lambda path: os.stat(path).st_ino
root, below = sys.argv[1], sys.argv[1] + '/er'
assert inode(below + '/..') == inode(root), 'the parent of a folder in the root'
names = {name: number for number, name in
         (line.split(None, 1) for line in os.popen(f"ls -fi '{below}'").read().splitlines())}
assert int(names['..']) == inode(root), names
PYTHON
  umount_pack "$mnt"
done
mount_with subdir=deep/er
assert_equal "$(getfattr --absolute-names --only-values -n user.kept "$mnt")" yes 'attribute of the root'
assert_equal "$(cat "$mnt/two")" two
assert_equal "$(readlink "$mnt/symlink")" ../er/two
umount_pack "$mnt"
mount_with 'subdir="comma, here"'
[ -e "$mnt/file" ] || fail 'a folder with a comma'
umount_pack "$mnt"
# A plan's paths begin at the root that is mounted.
mount_with subdir=deep/samples
(cd "$mnt" && find . -type f | sort -R --random-source="$pack" | tee "$scratch/order" >.quire/plan)
xargs -a "$scratch/order" -I{} cat "$mnt/{}" >/dev/null
assert_equal "$(json 'd["plan"]["unknown"]' <"$mnt/.quire/stats")" 0 'paths of the plan that nobody knows'
[ "$(json 'd["plan"]["told"]' <"$mnt/.quire/stats")" -ge 100 ] || fail "the plan was not heard: $(cat "$mnt/.quire/stats")"
umount_pack "$mnt"

# What is no folder of the pack.
assert_exit 1 quire mount -o subdir=none "$pack" "$mnt"
assert_says subdir none
assert_exit 1 quire mount -o subdir=top "$pack" "$mnt"
assert_says 'not a folder'
assert_exit 2 quire mount -o uid=me "$pack" "$mnt"
assert_says "id -u"
! is_mounted "$mnt" || fail 'mounted all the same'

# Programs are not run from a mount with noexec.
cp "$(type -P true)" "$tree/program" && rm "$pack" && pack "$tree" -o "$pack"
mount_with exec
"$mnt/program"
umount_pack "$mnt"
mount_with noexec
assert_exit 126 "$mnt/program"
umount_pack "$mnt"
pass
