#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a file of 5 GiB, most of it holes, is packed in the space of its data and reads right everywhere.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

gib=$((1 << 30))
mkdir "$scratch/tree"
sparse "$scratch/tree/huge" $((5 * gib)) 0 $((gib - 2500)) $((2 * gib - 1)) $((4 * gib - 2500)) $((4 * gib + 12345)) $((5 * gib - 5000))
random_bytes 30000000 middle | dd of="$scratch/tree/huge" bs=1M seek=3333 conv=notrunc status=none
pack "$scratch/tree" -o "$scratch/tree.quire"
[ "$(stat -c %s "$scratch/tree.quire")" -lt 40000000 ] || fail 'the holes were stored'
mount_pack "$scratch/tree.quire" "$scratch/mnt"
assert_same_tree "$scratch/tree" "$scratch/mnt"
quire extract "$scratch/tree.quire" -C "$(mkdir "$scratch/extracted" && echo "$scratch/extracted")"
cmp "$scratch/tree/huge" "$scratch/extracted/huge"
assert_equal "$(($(stat -c %b "$scratch/extracted/huge") / 2048))" "$(($(stat -c %b "$scratch/tree/huge") / 2048))" 'MiB on disk'
pass
