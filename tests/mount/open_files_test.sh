#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: where few files may be open at once, every command does its work, or ends with one line that says so.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

# More folders, and more files in several pieces, than may be open.
make_samples "$scratch/tree" 100 5 2000
for folder in {00..49}; do
  mkdir -p "$scratch/tree/deep/$folder/below"
  sparse "$scratch/tree/deep/$folder/below/sparse" 300000 100000
done
ln "$scratch/tree/001/00001.bin" "$scratch/tree/deep/again"
touch -d 2001-02-03T04:05:06 "$scratch/tree"
pack "$scratch/tree" -o "$scratch/tree.quire"
limited() { (ulimit -n "$1" && shift && exec "$@"); }

# What a command has open at all: this shell's descriptors, and those of the pack.
for limit in 24 32 40; do
  assert_exit 0 limited $limit "$QUIRE" pack "$scratch/tree" -o "$scratch/again.quire" --force --progress never
  cmp "$scratch/tree.quire" "$scratch/again.quire" || fail "packed with $limit files, it is another"
  assert_exit 0 limited $limit "$QUIRE" pack "$scratch/tree" -o "$scratch/again.quire" --force --dedup --jobs 256 -q
  assert_exit 0 limited $limit "$QUIRE" verify "$scratch/tree.quire"
  for jobs in 1 4 256; do
    rm -rf "$scratch/out"
    assert_exit 0 limited $limit "$QUIRE" extract "$scratch/tree.quire" -C "$scratch/out" --jobs $jobs -q
    assert_same_tree "$scratch/tree" "$scratch/out"
  done
done
# A cache asks for files of control groups, as many as this machine has.
groups=$(($(wc -l </proc/self/cgroup) * 8))
assert_exit 0 limited $((groups + 32)) "$QUIRE" diff "$scratch/tree.quire" "$scratch/tree"
assert_says 'no difference'
assert_exit 0 limited $((groups + 32)) "$QUIRE" diff --jobs 256 "$scratch/tree.quire" "$scratch/tree"

# Fewer than it takes, and a system that has no more: one line, and no word about entries that would be unreadable.
assert_one_line() {
  assert_exit 1 "$@"
  assert_equal "$(wc -l <<<"$output")" 1 "$output"
  assert_says 'too many open files'
}
for command in "pack $scratch/tree -q -o $scratch/new.quire" "extract $scratch/tree.quire -q -C $scratch/new" "diff $scratch/tree.quire $scratch/tree"; do
  # shellcheck disable=SC2086  # several words
  assert_one_line limited 8 "$QUIRE" $command
  assert_says "'ulimit -n' is 8: allow more"
  rm -rf "$scratch/new"
done
if strace -qq -o /dev/null true 2>/dev/null; then
  # Those of the loader, which are not of the command, and differ from one system to the next.
  strace -f -qq -e trace=openat -o "$scratch/loader" "$QUIRE" --version >/dev/null
  later=$(($(wc -l <"$scratch/loader") + 47))
  for error in EMFILE ENFILE; do
    for command in "pack $scratch/tree -q -o $scratch/new.quire" "pack $scratch/tree -q -o $scratch/new.quire --skip-unreadable" \
      "diff $scratch/tree.quire $scratch/tree"; do
      # shellcheck disable=SC2086  # several words
      assert_one_line strace -f -qq -o /dev/null -e trace=openat2 -e inject=openat2:error=$error:when=12+ "$QUIRE" $command
    done
    # shellcheck disable=SC2086
    assert_one_line strace -f -qq -o /dev/null -e trace=openat -e inject=openat:error=$error:when=$later+ "$QUIRE" \
      extract "$scratch/tree.quire" --keep-going --progress never -C "$scratch/new"
    assert_says 'skip-existing'
    rm -rf "$scratch/new"
  done
  [ ! -e "$scratch/new.quire" ] || fail 'a pack without what could not be opened was written'
else
  leave_out 'strace is not allowed here'
fi
pass
