#!/bin/bash
# Goal: extract gives back the tree as it was packed: contents, holes, links, modes, owners, times and attributes.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_odd_tree "$scratch/tree"
pack "$scratch/tree" -o "$scratch/tree.quire"
mkdir "$scratch/whole"
quire extract "$scratch/tree.quire" -C "$scratch/whole" || fail 'extracting everything'
assert_same_tree "$scratch/tree" "$scratch/whole"

# Holes are where they were (SEEK_HOLE tells), and take no space.
holes() {
  (cd "$1" && find sparse sizes -type f -print0 | sort -z | xargs -0 python3 -c '
import os, sys
for name in sys.argv[1:]:
    fd, at, size = os.open(name, os.O_RDONLY), 0, os.stat(name).st_size
    print(name, end="")
    while at < size:
        try: data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError: break
        at = os.lseek(fd, data, os.SEEK_HOLE)
        print("", data, at, end="")
    print()')
}
diff <(holes "$scratch/tree") <(holes "$scratch/whole") || fail 'holes moved'

# Paths: a file, a folder with all below it, a symlink, and one name of a hard-linked file.
mkdir "$scratch/parts"
quire extract "$scratch/tree.quire" 'sizes/4097 bytes' modes links/symlink links/m links/a -C "$scratch/parts" || fail 'extracting some'
cmp "$scratch/tree/sizes/4097 bytes" "$scratch/parts/sizes/4097 bytes"
same_content "$scratch/tree/modes" "$scratch/parts/modes"
same_metadata "$scratch/tree/modes" "$scratch/parts/modes"
assert_equal "$(readlink "$scratch/parts/links/symlink")" m
assert_equal "$(stat -c %i "$scratch/parts/links/m")" "$(stat -c %i "$scratch/parts/links/a/m")" 'hard links of what was extracted'
assert_equal "$(ls -A "$scratch/parts" | tr '\n' ' ')" 'links modes sizes '
assert_equal "$(ls -A "$scratch/parts/sizes")" '4097 bytes'
assert_exit 1 quire extract "$scratch/tree.quire" no/such -C "$scratch/parts"
assert_says 'no/such'

# What is there already is not overwritten in silence, and symlinks are not followed out of the folder.
echo mine >"$scratch/parts/sizes/4097 bytes"
assert_exit 1 quire extract "$scratch/tree.quire" 'sizes/4097 bytes' -C "$scratch/parts"
assert_equal "$(cat "$scratch/parts/sizes/4097 bytes")" mine
mkdir "$scratch/trap" "$scratch/outside" && ln -s ../outside "$scratch/trap/sizes"
status=0
quire extract "$scratch/tree.quire" sizes -C "$scratch/trap" >/dev/null 2>&1 || status=$?
assert_equal "$(ls -A "$scratch/outside")" '' "written through a symlink (status $status)"

# An ordinary user gets the files as their own.
if is_root; then
  make_ordinary_user
  chmod 644 "$scratch/tree.quire"
  as_user mkdir "$user_home/mine"
  as_user "$user_quire" extract "$scratch/tree.quire" sizes modes/owned -C "$user_home/mine" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail 'extracting as an ordinary user'; }
  assert_equal "$(find "$user_home/mine" ! -user "$user" -print)" ''
  same_content "$scratch/tree/sizes" "$user_home/mine/sizes"
fi
pass
