#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: what is there before an extraction is kept, skipped or replaced as asked, and nothing is written through a symlink.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_samples "$scratch/tree" 3 20 4000
mkdir "$scratch/tree/folder" && echo new >"$scratch/tree/folder/file" && chmod 750 "$scratch/tree/folder"
ln -s target "$scratch/tree/link"
random_bytes 3000000 big >"$scratch/tree/big"
ln "$scratch/tree/big" "$scratch/tree/folder/big too"
touch -d 2001-02-03T04:05:06 "$scratch/tree" "$scratch/tree/folder"
pack "$scratch/tree" -o "$scratch/tree.quire"
# shellcheck disable=SC2120  # with options, by assert_exit
extract() { quire extract "$scratch/tree.quire" -C "$scratch/out" --progress never "$@"; }
# But for the top, which keeps its times.
assert_same() {
  touch -r "$scratch/tree" "$scratch/out"
  same_content "$scratch/tree" "$scratch/out" && same_by_rsync "$scratch/tree" "$scratch/out" || fail "line ${BASH_LINENO[0]}: not the same"
}
fresh() { rm -rf "$scratch/out" "$scratch/outside" && mkdir -p "$scratch/out" "$scratch/outside"; }

# The folder that was named, and folders in it that were there, keep mode, times and owner.
fresh
mkdir "$scratch/out/folder" && chmod 711 "$scratch/out/folder" && chmod 1777 "$scratch/out"
extract
assert_equal "$(stat -c %a "$scratch/out" "$scratch/out/folder" | tr '\n' ' ')" '1777 711 '
same_content "$scratch/tree" "$scratch/out"

# A name that is taken ends it with one line, unless told otherwise; what is there is untouched.
fresh
mkdir "$scratch/out/folder" && ln -s elsewhere "$scratch/out/link"
echo mine >"$scratch/out/folder/file" && echo mine >"$scratch/out/big"
assert_exit 1 extract
assert_equal "$(wc -l <<<"$output")" 1 "$output"
assert_says 'already' 'skip-existing' 'overwrite'
assert_exit 2 extract --overwrite --skip-existing
assert_exit 1 extract --keep-going --jobs 1
assert_says "folder/file'" "'big'" "'link'"
assert_equal "$(cat "$scratch/out/folder/file" "$scratch/out/big")" $'mine\nmine'
assert_equal "$(readlink "$scratch/out/link")" elsewhere

# --skip-existing keeps it; a further name of what is not from the pack gets its own content, which is told.
rm -f "$scratch/out/folder/big too"
assert_exit 0 extract --skip-existing
assert_equal "$output" "quire extract: hard links could not be made for 1 entry, which became files of their own (first 'folder/big too': \
what its other name has was there already)"
assert_exit 0 extract --skip-existing
assert_equal "$output" ''
assert_equal "$(cat "$scratch/out/folder/file" "$scratch/out/big")" $'mine\nmine'
cmp "$scratch/tree/big" "$scratch/out/folder/big too"
same_content "$scratch/tree/000" "$scratch/out/000"

# A symlink of an extraction that was killed before its owner and times were set, and one of somebody else's.
fresh
ln -s target "$scratch/out/link"
assert_exit 0 extract --skip-existing
assert_same
fresh
ln -s elsewhere "$scratch/out/link" && touch -h -d 2003-04-05 "$scratch/out/link"
assert_exit 0 extract --skip-existing
assert_equal "$(readlink "$scratch/out/link") $(stat -c %y "$scratch/out/link" | cut -c 1-10)" 'elsewhere 2003-04-05'

# A fault that stays is not one to be gone on from.
fresh
echo mine >"$scratch/out/folder"
assert_exit 1 extract --skip-existing
assert_says "'folder'" '--skip-existing --keep-going makes the others'
assert_exit 1 extract --skip-existing --keep-going
same_content "$scratch/tree/000" "$scratch/out/000"

# --overwrite replaces files and symlinks by files and symlinks, and symlinks by folders: itself, not what it points to.
fresh
echo outside >"$scratch/outside/file"
ln -s ../outside "$scratch/out/folder" && ln -s ../outside/file "$scratch/out/big" && echo mine >"$scratch/out/link"
assert_exit 1 extract
assert_equal "$(ls -A "$scratch/outside")" file 'written through a symlink'
assert_exit 1 extract --skip-existing
assert_says "'folder'"
assert_equal "$(ls -A "$scratch/outside")" file 'written through a symlink'
assert_exit 0 extract --overwrite
assert_equal "$(ls -A "$scratch/outside")" file 'written through a symlink'
assert_equal "$(cat "$scratch/outside/file")" outside
assert_same
assert_equal "$(stat -c %h "$scratch/out/big")" 2
assert_exit 0 extract --overwrite  # again, over itself
assert_same
assert_equal "$(stat -c %h "$scratch/out/big")" 2
# But no folder by a file.
fresh
mkdir -p "$scratch/out/big/inner"
assert_exit 1 extract --overwrite
assert_says "'big'"
[ -d "$scratch/out/big/inner" ] || fail 'a folder was replaced by a file'

# A symlink on the way to what is extracted alone is not followed either.
fresh
ln -s ../outside "$scratch/out/folder"
assert_exit 1 extract folder/file
assert_says folder
assert_equal "$(ls -A "$scratch/outside")" ''
# Nor where the kernel lacks what makes that simple; and files get their names without it.
fresh
ln -s ../outside "$scratch/out/folder"
# LeakSanitizer ends what strace follows.
lacking() { ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace=openat2,linkat "$@" "$QUIRE" extract "$scratch/tree.quire" --jobs 1 -C "$scratch/out" --skip-existing "${paths[@]}"; }
paths=()
if strace -qq -o /dev/null true 2>/dev/null; then
  assert_exit 1 lacking -e inject=openat2:error=ENOSYS
  assert_says "'folder'"
  assert_equal "$(ls -A "$scratch/outside")" ''
  rm "$scratch/out/folder"
  assert_exit 0 lacking -e inject=openat2:error=ENOSYS
  same_content "$scratch/tree" "$scratch/out"
  fresh
  # The first of every two calls is refused: the one by descriptor.
  paths=(000 001)
  assert_exit 0 lacking -e inject=linkat:error=ENOENT:when=1+2
  same_content "$scratch/tree/000" "$scratch/out/000"
else
  leave_out 'strace is not allowed here'
fi
# The folder itself may be a symlink: that is what its user named.
fresh
ln -s outside "$scratch/to outside"
quire extract "$scratch/tree.quire" folder/file -C "$scratch/to outside"
assert_equal "$(cat "$scratch/outside/folder/file")" new

# Several at once: what one makes the others skip.
fresh
extractors=()
for _ in 1 2 3; do
  quire extract "$scratch/tree.quire" -C "$scratch/out" --quiet --skip-existing &
  extractors+=($!)
  background+=($!)
done
for extractor in "${extractors[@]}"; do wait "$extractor" || fail 'extractions side by side stop each other'; done
assert_same
pass
