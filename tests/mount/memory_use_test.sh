#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the memory of a mount follows its use: next to nothing while nobody reads, a limited part of a machine while
# somebody does, and given back afterwards; ten mounts together do not fill a machine of 1 GiB.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
! is_sanitized asan tsan || skip 'a sanitizer needs memory of its own'

kib_in_mib=1024
# The program and its libraries take 6 MiB (14 were resident with cache_size=8M); the rest is for first slots and
# buffers.
idle_kib=$((16 * kib_in_mib))
# Three quarters of the data: the kernel's page cache holds all of them, the mount what is on its way there.
peak_kib=$((300 * kib_in_mib))
# The idle mount, and as much again for the index that was read and what the allocator keeps.
rest_kib=$((32 * kib_in_mib))
rest_s=10
# Pages of 400 MB are four times what a cache of the 1 GiB below may have, and more than the peak.
folders=8
files=460
sample_bytes=110000
mounts_at_once=10
group_memory=1G
# So that ten mounts, each with samples of every page, are read in a quarter of a minute on 2 cores.
share_of_each=0.2

tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree" $folders $files $sample_bytes
pack "$tree" -o "$tree.quire"

# memory_of PROCESS FIELD: what is resident, or was at most (VmRSS, VmHWM), in KiB. Pages of hugetlbfs are counted
# beside.
memory_of() { awk -v field="$2:" '$1 == field || $1 == "HugetlbPages:" {sum += $2} END {print sum}' "/proc/$1/status"; }
read_share() { python3 "$support/read_share.py" "$tree" "$@"; }

failures=()
# at_most KIB LIMIT WHAT: tells it, and goes on: the other figures are of interest as well.
at_most() {
  printf '%s: %d MiB, at most %d\n' "$3" $(($1 / kib_in_mib)) $(($2 / kib_in_mib))
  [ "$1" -le "$2" ] || failures+=("$3")
}

mount_pack "$tree.quire" "$mnt"
daemon=$(daemon_of_mount "$mnt")
at_most "$(memory_of "$daemon" VmRSS)" $idle_kib 'a mount that nobody has read'

ls -lR "$mnt" >/dev/null
read_share "$mnt" 1 epoch
at_most "$(memory_of "$daemon" VmHWM)" $peak_kib 'the peak of a shuffled epoch'
rests() { [ "$(memory_of "$daemon" VmRSS)" -le $rest_kib ]; }
until_true $rest_s rests || true
at_most "$(memory_of "$daemon" VmRSS)" $rest_kib "$rest_s s after the last read, or sooner"
umount_pack "$mnt"

# Ten packs, which have the same bytes to save disk.
if make_memory_group $group_memory; then
  daemons=()
  for ((i = 0; i < mounts_at_once; ++i)); do
    ln "$tree.quire" "$scratch/$i.quire"
    mkdir "$scratch/$i"
    mounts+=("$scratch/$i")
    in_memory_group "$QUIRE" mount "$scratch/$i.quire" "$scratch/$i" || fail "mount $i of $mounts_at_once"
    daemons+=("$(daemon_of_mount "$scratch/$i")")
  done
  readers=()
  for ((i = 0; i < mounts_at_once; ++i)); do
    in_memory_group python3 "$support/read_share.py" "$tree" "$scratch/$i" $share_of_each "$i" &
    readers+=($!)
    background+=($!)
  done
  wrong=0
  for reader in "${readers[@]}"; do wait "$reader" || wrong=$((wrong + 1)); done
  alive=0
  for daemon in "${daemons[@]}"; do gone "$daemon" || alive=$((alive + 1)); done
  printf '%d mounts at once in %s: %d daemons alive, %d readers failed, the kernel killed %d processes\n' \
    $mounts_at_once $group_memory $alive $wrong "$(killed_in_memory_group)"
  [ "$alive $wrong $(killed_in_memory_group)" = "$mounts_at_once 0 0" ] || failures+=("$mounts_at_once mounts at once")
  for ((i = 0; i < alive && alive == mounts_at_once; ++i)); do umount_pack "$scratch/$i"; done
else
  leave_out "$mounts_at_once mounts in little memory: needs root and control groups that limit memory"
fi
[ ${#failures[@]} -eq 0 ] || fail "too much memory: $(printf '%s; ' "${failures[@]}")"
pass
