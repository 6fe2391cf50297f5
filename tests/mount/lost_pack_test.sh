#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever becomes of the pack under a mount, old bytes are served while they are there, and errors after.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree" 3 100 60000  # several pages
pack "$tree" -o "$scratch/first.quire"
make_samples "$scratch/other" 2 10 500
pack "$scratch/other" -o "$scratch/second.quire"
pack=$scratch/pack.quire
# The smallest cache, and nothing read that was not asked for: what was not read yet is not in memory.
options=cache_size=8M,push=off,readahead=off,admit=extent

# Deleted: all of it goes on, read for the first time too.
cp "$scratch/first.quire" "$pack"
mount_pack "$pack" "$mnt" -o "$options"
rm "$pack"
assert_same_tree "$tree" "$mnt"
umount_pack "$mnt"

# Replaced by rename, as `quire pack --force` does it: the old one goes on until the next mount.
cp "$scratch/first.quire" "$pack"
mount_pack "$pack" "$mnt" -o "$options"
pack "$scratch/other" --force -o "$pack"
assert_same_tree "$tree" "$mnt"
umount_pack "$mnt"
mount_pack "$pack" "$mnt" -o "$options"
assert_same_tree "$scratch/other" "$mnt"
umount_pack "$mnt"

# Cut short in place: what was read stays, what is gone is an I/O error, and the daemon lives.
cut_short() {
  local left=$1 name status=0 good=0 bad=0
  cp "$scratch/first.quire" "$pack"
  mount_pack "$pack" "$mnt" -o "$options,log_file=$scratch/log"
  ls -lR "$mnt" >/dev/null  # names and attributes
  cat "$mnt/000/00000.bin" >/dev/null
  truncate -s "$left" "$pack"
  cmp "$tree/000/00000.bin" "$mnt/000/00000.bin"
  for name in "$tree"/*/*; do
    name=${name#"$tree"/}
    status=0
    cmp -s "$tree/$name" "$mnt/$name" 2>/dev/null || status=$?
    case $status in
      0) good=$((good + 1)) ;;
      2) bad=$((bad + 1)) ;;
      *) fail "wrong bytes: $name of a pack of $left bytes" ;;
    esac
  done
  [ "$good" -gt 0 ] && [ "$bad" -gt 0 ] || fail "$good samples and $bad errors with $left bytes left"
  assert_fails cat "$mnt/$name"
  assert_says 'input/output error'
  grep -q 'truncated' "$scratch/log" || fail "the log does not tell: $(tail -n 3 "$scratch/log")"
  # When the bytes come back, so do the samples.
  cp "$scratch/first.quire" "$pack"
  assert_same_tree "$tree" "$mnt"
  umount_pack "$mnt"
  rm "$scratch/log"
}
cut_short $((5 << 20))
cut_short 100000

# Overwritten in place by another: its bytes are never taken for the old ones.
cp "$scratch/first.quire" "$pack"
mount_pack "$pack" "$mnt" -o "$options"
ls -lR "$mnt" >/dev/null
cp "$scratch/second.quire" "$pack"
for name in "$tree"/*/*; do
  name=${name#"$tree"/}
  status=0
  cmp -s "$tree/$name" "$mnt/$name" 2>/dev/null || status=$?
  [ $status -ne 1 ] || fail "wrong bytes: $name of an overwritten pack"
done
umount_pack "$mnt"
pass
