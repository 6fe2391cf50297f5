#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: where few threads can be started, or none, every command does its work with those, or ends with one line; and
# where stderr takes nothing, the work is done all the same.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_ordinary_user
tree=$user_home/tree
make_samples "$tree" 20 50 3000
sparse "$tree/large" 5000000 100000
if is_root; then chown -R "$user:" "$user_home"; fi
pack "$tree" -o "$user_home/tree.quire"

# limited THREADS COMMAND...: as a user who may have so many, this process counted.
limited() { as_user timeout -v 60 bash -c 'ulimit -u "$1" && shift && exec "$@"' - "$@"; }
if is_root && ! is_sanitized asan tsan; then
  # timeout(1) is one of them, so that with 2 there is the command's own alone. What reads a pack needs a few more.
  for threads in 2 6 8 20; do
    assert_exit 0 limited $threads "$user_quire" pack "$tree" -o "$user_home/again.quire" --force --jobs 16
    cmp "$user_home/tree.quire" "$user_home/again.quire" || fail "packed with $threads threads, it is another"
    ((threads > 2)) || continue
    assert_exit 0 limited $threads "$user_quire" verify "$user_home/tree.quire"
    rm -rf "$user_home/out"
    assert_exit 0 limited $threads "$user_quire" extract "$user_home/tree.quire" -C "$user_home/out" --jobs 16
    assert_same_tree "$tree" "$user_home/out"
    assert_exit 0 limited $threads "$user_quire" ls "$user_home/tree.quire"
    assert_exit 0 limited $threads "$user_quire" cat "$user_home/tree.quire" 000/00000.bin
  done
  assert_exit 0 limited 20 "$user_quire" diff "$user_home/tree.quire" "$tree"
  for command in "diff $user_home/tree.quire $tree" "verify $user_home/tree.quire" \
    "extract $user_home/tree.quire -C $user_home/new" "cat $user_home/tree.quire 000/00000.bin"; do
    # shellcheck disable=SC2086  # several words
    assert_exit 1 limited 2 "$user_quire" $command
    assert_says "cannot start a thread.*'ulimit -u'"
    assert_equal "$(wc -l <<<"$output")" 1 "$output"
  done
  # Memory that does not suffice for all stacks, and then for nothing: an end in any case, and never by a signal.
  for kilobytes in 36000 38000 40000 42000 44000 60000 100000 200000; do
    for command in "pack $tree -q -o $user_home/small.quire --force" "verify $user_home/tree.quire" \
      "extract $user_home/tree.quire -q -C $user_home/small --overwrite"; do
      status=0
      # shellcheck disable=SC2086  # several words
      (ulimit -v $kilobytes && exec timeout 60 "$user_quire" $command) >"$scratch/small.log" 2>&1 || status=$?
      [ $status -le 1 ] || { [ $status = 127 ] && grep -q 'shared libraries' "$scratch/small.log"; } ||
        fail "status $status with ulimit -v $kilobytes: $command: $(<"$scratch/small.log")"
    done
  done
else
  leave_out 'limits of threads and memory: need root, and a build without sanitizers'
fi

# A log on a disk that is full.
full() { "$@" 2>/dev/full; }
for progress in always auto never; do
  assert_exit 0 full quire pack "$tree" -o "$scratch/full.quire" --force --progress $progress
  cmp "$user_home/tree.quire" "$scratch/full.quire" || fail "packed with --progress $progress, it is another"
  assert_exit 0 full quire verify "$scratch/full.quire" --progress $progress
  rm -rf "$scratch/full"
  assert_exit 0 full quire extract "$scratch/full.quire" -C "$scratch/full" --progress $progress
  assert_same_tree "$tree" "$scratch/full"
done
assert_exit 1 full quire pack "$tree" -o "$scratch/full.quire" --progress always
assert_exit 1 full quire extract "$scratch/no.quire" -C "$scratch/full"
assert_exit 2 full quire pack
assert_exit 1 full quire diff "$scratch/full.quire" "$scratch"
pass
