#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: extract gives back the tree as it was packed: contents, holes, links, modes, owners, times and attributes.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_odd_tree "$scratch/tree"
pack "$scratch/tree" -o "$scratch/tree.quire"
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

# The second name of a hard link is made where it is asked for, alone or beside others.
quire extract "$scratch/tree.quire" links/z/m -C "$scratch/second" || fail 'extracting a second name'
assert_equal "$(cd "$scratch/second" && find . -type f)" ./links/z/m
cmp "$scratch/tree/links/m" "$scratch/second/links/z/m"
quire extract "$scratch/tree.quire" links/z links/a -C "$scratch/several" || fail 'extracting several names'
assert_equal "$(stat -c %i "$scratch/several/links/z/m")" "$(stat -c %i "$scratch/several/links/a/m")" 'hard links of what was extracted'
assert_equal "$(readlink "$scratch/several/links/z/hard link of a symlink")" m
cmp "$scratch/tree/links/big" "$scratch/several/links/z/big"

# Patterns, as the shell has them, and '**' for any folders; a name that is there as it stands comes first.
found() {
  rm -rf "$scratch/found"
  quire extract "$scratch/tree.quire" "$@" -C "$scratch/found" || fail "extract $*"
  (cd "$scratch/found" && find . ! -type d | sort | tr '\n' ' ')
}
assert_equal "$(found 'sizes/6553[56] bytes')" './sizes/65535 bytes ./sizes/65536 bytes '
assert_equal "$(found '*/m' links/z/m)" './links/m ./links/z/m '
assert_equal "$(found 'links/**/m')" './links/a/m ./links/m ./links/z/m '
assert_equal "$(found '**/bottom')" "./names$(printf '/deeper%.0s' {1..40})/bottom "
assert_equal "$(found 'names/*')" './names/* '
assert_equal "$(found 'names/\*')" './names/* '
assert_exit 1 quire extract "$scratch/tree.quire" 'sizes/*.jpg' 'no/such' -C "$scratch/none"
assert_says 'sizes/\*.jpg'
[ ! -e "$scratch/none" ] || fail 'a folder was made though nothing was found'
assert_exit 1 quire extract "$scratch/tree.quire" 'sizes/*.jpg' no/such 'sizes/1 bytes' --keep-going -C "$scratch/none"
assert_says 'sizes/\*.jpg' 'no/such'
[ -e "$scratch/none/sizes/1 bytes" ] || fail 'nothing was extracted beside a path that is not there'

# Deeper than there may be open files; and as deep as paths go.
deep=$scratch/deep/$(printf 'd/%.0s' {1..1100})
mkdir -p "$deep" && echo bottom >"${deep}bottom"
pack "$scratch/deep" -o "$scratch/deep.quire"
(ulimit -n 64 && quire extract "$scratch/deep.quire" -C "$scratch/deep again") || fail 'extracting 1,100 folders deep'
same_content "$scratch/deep" "$scratch/deep again"

# One job or many, and a shuffled pack of many folders with few descriptors: the same tree.
make_samples "$scratch/samples" 100 10 300
pack "$scratch/samples" --order shuffle:1 -o "$scratch/shuffled.quire"
(ulimit -n 64 && quire extract "$scratch/shuffled.quire" --jobs 1 -C "$scratch/one job") || fail 'one job'
quire extract "$scratch/shuffled.quire" --jobs 16 -C "$scratch/many jobs" || fail 'many jobs'
assert_same_tree "$scratch/samples" "$scratch/one job"
assert_same_tree "$scratch/samples" "$scratch/many jobs"
pass
