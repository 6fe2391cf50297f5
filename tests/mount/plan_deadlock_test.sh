#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a plan and the reads that it is about never wait for each other, whatever the disk does meanwhile.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
# The samples must not fit into half of what is available, or the mount gives the kernel only what it has not been asked
# for yet: the tree has 285 MB. Beside the cache 64 MiB have to be available, or nothing is stored at all.
memory=300M
make_memory_group $memory || skip 'needs root and control groups that limit memory'

python3 "$support/plan_deadlock.py" tree "$tree"
pack "$tree" -o "$tree.quire"
start_slow_disk "$tree.quire" "$scratch/disk"

# mount_in_group OPTIONS
mount_in_group() {
  mkdir -p "$mnt"
  mounts+=("$mnt")
  in_memory_group "$QUIRE" mount "$slow_pack" "$mnt" -o "$1"
  background+=("$(daemon_of_mount "$mnt")")
}

# Step by step: reads wait for memory that planned samples have, one of them of a sample that the plan comes to.
mount_in_group cache_size=16M,push=on
python3 "$support/plan_deadlock.py" run "$tree" "$tree.quire" "$mnt" "$slow_rules"
umount_pack "$mnt"

# By chance: readers, plans of what they read at this moment, and caches that are dropped, on a disk that takes its
# time.
echo 'delay 1000 400000' >"$slow_rules"
mount_in_group cache_size=16M,admit=page,push=on
python3 "$support/soak.py" "$tree" "$mnt" --seconds 40 --readers 48 --drop-caches
umount_pack "$mnt"
pass
