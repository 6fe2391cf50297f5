#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount that is read as a whole reads on by itself, and pushes what it read; one of which a folder is read does not.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

# 16 folders of 8 pages each: as many as the parts of a pack in which misses are looked for.
tree=$scratch/tree
mnt=$scratch/mnt
folders=16
files=400
make_samples "$tree" $folders $files 40000
pack "$tree" -o "$tree.quire"
all=$((folders * files))

stat_of() { json "$1" <"$mnt/.quire/stats"; }
swept() { stat_of 'd["counters"]["swept_pages"]'; }
volume_bytes() { stat_of 'd["counters"]["volume_bytes"]'; }
is_pushed() { [ "$(stat_of 'd["push"]["samples"]')" -ge $((all * 9 / 10)) ]; }
is_at_rest() {
  local before
  before=$(volume_bytes)
  sleep 0.5
  [ "$(volume_bytes)" -eq "$before" ]
}

# One folder, in random order: nothing of the others but what lies in its pages.
mount_pack "$tree.quire" "$mnt"
find "$mnt" >/dev/null
# shuffled FOLDER: the samples below it, in a random order that is the same each time. What a pack begins with is no source of random
# bytes: it is zeros for the most part, which leave the names in order, and then nothing is read from everywhere.
random_bytes 100000 sweep >"$scratch/random"
shuffled() { (cd "$tree" && find "$1" -type f | sort | shuf --random-source="$scratch/random"); }
shuffled 007 >"$scratch/order"
(cd "$mnt" && xargs cat <"$scratch/order") | cmp - <(cd "$tree" && xargs cat <"$scratch/order") || fail 'other bytes than the tree'
until_true 20 is_at_rest || fail 'a mount of which one folder was read goes on reading'
assert_equal "$(swept)" 0 'pages that were swept for one folder'
limit=$((files * 40000 * 3 / 2 + (4 << 20)))  # half as much again, and a page at each end
[ "$(volume_bytes)" -le $limit ] || fail "one folder of $((files * 40000)) bytes cost $(volume_bytes)"
umount_pack "$mnt"

# Some samples from everywhere: the rest comes by itself, each page once. A sweep begins at 64 misses. Where pages are pushed sooner
# than the next sample is read, each page is missed but once: 160 samples lie in some 90 of the 122 pages.
mount_pack "$tree.quire" "$mnt"
await_memory "$mnt"
find "$mnt" >/dev/null
shuffled . >"$scratch/all"
head -n 160 "$scratch/all" >"$scratch/order"
(cd "$mnt" && xargs cat <"$scratch/order") | cmp - <(cd "$tree" && xargs cat <"$scratch/order") || fail 'other bytes than the tree'
until_true 20 is_pushed || fail "pushed: $(stat_of 'd["push"]'), swept: $(swept)"
[ "$(swept)" -gt 0 ] || fail 'nothing was swept'
until_true 20 is_at_rest || fail 'a mount that nobody reads goes on reading'
limit=$((all * 40000 * 11 / 10))
[ "$(volume_bytes)" -le $limit ] || fail "$((all * 40000)) bytes cost $(volume_bytes)"
diff -r "$tree" "$mnt"
pass
