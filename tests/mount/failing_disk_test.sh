#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a disk that fails for a while harms nothing beyond that while: pages come whole again. Of a page that has
# wrong bytes only the sample that was hit is EIO, until the pack is mended.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

make_samples "$scratch/tree" 1 100 100000  # five pages
pack "$scratch/tree" -o "$scratch/tree.quire"
start_slow_disk "$scratch/tree.quire" "$scratch/disk"
mount_pack "$slow_pack" "$scratch/mnt" -o push=off,readahead=off,admit=page
python3 "$support/failing_disk.py" "$scratch/tree" "$scratch/tree.quire" "$scratch/mnt" "$slow_rules"
umount_pack "$scratch/mnt"
pass
