#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever ends a packer, a signal, an error, a full disk, a power cut, at any moment, there is the old pack or the
# new one, whole, or nothing where there was nothing, and the next packer leaves nothing else. QUIRE_SEED=N tries again.
. "$(dirname "$0")/../support/harness.sh"
command -v strace >/dev/null || skip 'there is no strace'

seed=$(trust_seed)
seconds=$(trust_seconds 10)
echo "seed $seed"
reports=$scratch/sanitizer
export ASAN_OPTIONS=log_path=$reports:detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports

mkdir "$scratch/large"  # of 30 MB
for i in {1..30}; do head -c 1000000 /dev/urandom >"$scratch/large/$i"; done

# deaths SHARE WHAT FOLDER: a share of the time, in percent, for one kind of them.
deaths() {
  local count what
  python3 "$support/packer_death.py" "$2" "$QUIRE" "$scratch/work" "$seed" "$(awk "BEGIN {print $seconds * $1 / 100}")" "$3" \
    >"$scratch/told" || fail "$2 in $3, seed $seed"
  while IFS=$'\t' read -r count what; do tally "$count" "$what"; done <"$scratch/told"
}

# loop_mount SIZE KIND DIR MKFS_OPTION...: a file system of its own in a file.
loop_mount() {
  local size=$1 kind=$2 dir=$3 image=$3.image device status=0
  shift 3
  command -v "mkfs.$kind" >/dev/null && is_root && mkdir "$dir" && truncate -s "$size" "$image" || return 1
  "mkfs.$kind" "$@" "$image" >"$scratch/mkfs.log" 2>&1 || return 1
  mounts+=("$dir")
  if [ "$kind" != exfat ]; then
    mount -o loop "$image" "$dir" 2>"$scratch/mkfs.log"
    return
  fi
  command -v mount.exfat-fuse >/dev/null && [ -e /dev/fuse ] || return 1
  device=$(losetup --find --show "$image" 2>"$scratch/mkfs.log") || return 1
  mount.exfat-fuse "$device" "$dir" >"$scratch/mkfs.log" 2>&1 || status=1
  losetup --detach "$device"  # once it is unmounted
  return $status
}

# Where files have no name until they are complete.
mkdir "$scratch/disk"
deaths 10 kills "$scratch/disk"
deaths 20 times "$scratch/disk"
deaths 10 errors "$scratch/disk"
deaths 15 power "$scratch/disk"
deaths 5 limits "$scratch/disk"

# Where they have temporary ones, and neither hard links nor a rename that does not replace.
if loop_mount 160M exfat "$scratch/exfat"; then
  deaths 10 kills "$scratch/exfat"
  deaths 10 times "$scratch/exfat"
  deaths 10 errors "$scratch/exfat"
  deaths 10 power "$scratch/exfat"
  umount "$scratch/exfat"
else
  leave_out "file systems without unnamed files: exFAT by FUSE needs root, exfat-fuse and exfatprogs $(cat "$scratch/mkfs.log" 2>/dev/null)"
fi

# Full disks, and a quota.
if is_root && mkdir "$scratch/memory" && mount -t tmpfs -o size=16M quire-test "$scratch/memory" 2>"$scratch/log"; then
  mounts+=("$scratch/memory")
  deaths 5 room "$scratch/memory"
  # A disk that has less than it says: a file system in a file that cannot grow.
  if loop_mount 64M ext4 "$scratch/memory/thin" -q -m 0 -E lazy_itable_init=1; then
    out=$scratch/memory/thin/out.quire
    assert_exit 1 quire pack "$scratch/large" -o "$out"
    assert_says "$out" 'input/output error\|no space left\|read-only'
    [ ! -e "$out" ] || fail 'a pack on a disk that lost it'
    tally 1 'packers on a disk that had less than it said'
    umount "$scratch/memory/thin"
  fi
  umount "$scratch/memory"
else
  leave_out 'full disks: mounting a tmpfs needs root'
fi
if loop_mount 64M ext4 "$scratch/ext4" -q -m 0 -e remount-ro; then
  deaths 5 room "$scratch/ext4"
  # A disk whose file system turns read-only under a packer, at its first sync, and one that was so before.
  mkdir "$scratch/small" && echo sample >"$scratch/small/sample"
  out=$scratch/ext4/out.quire
  pack "$scratch/small" -o "$out"
  cp "$out" "$scratch/kept.quire"
  head -c 1000000 /dev/urandom >"$scratch/small/more"
  trigger=/sys/fs/ext4/$(basename "$(findmnt -no SOURCE "$scratch/ext4")")/trigger_fs_error
  if [ -w "$trigger" ]; then
    strace -f -qq -o "$scratch/trace" -e trace=fsync -e inject=fsync:delay_enter=1500000:when=1 \
      "$QUIRE" pack "$scratch/small" --force -o "$out" >"$scratch/log" 2>&1 &
    until_true 20 grep -q 'fsync(' "$scratch/trace" || fail 'the packer does not sync'
    echo 1 >"$trigger"
    status=0
    wait $! || status=$?
    assert_equal $status 1 "$(cat "$scratch/log")"
    grep -qi 'input/output error\|read-only' "$scratch/log" || fail "the cause is not named: $(cat "$scratch/log")"
    tally 1 'packers whose disk became read-only'
  else
    leave_out "a disk that becomes read-only: there is no $trigger"
    mount -o remount,ro "$scratch/ext4"
  fi
  for target in out new; do
    assert_exit 1 quire pack "$scratch/small" --force -o "$scratch/ext4/$target.quire"
    assert_says 'read-only file system'
  done
  cmp "$out" "$scratch/kept.quire"
  assert_equal "$(ls -A "$scratch/ext4" | tr '\n' ' ')" 'lost+found out.quire '
  umount "$scratch/ext4"
else
  leave_out "a full ext4: a loop device needs root $(cat "$scratch/mkfs.log" 2>/dev/null)"
fi
if loop_mount 256M btrfs "$scratch/btrfs" -q && btrfs -q quota enable "$scratch/btrfs" && btrfs -q subvolume create "$scratch/btrfs/limited"; then
  btrfs -q qgroup limit 12M "$scratch/btrfs/limited"
  assert_exit 1 quire pack "$scratch/large" -o "$scratch/btrfs/limited/out.quire"
  assert_says 'disk quota exceeded'
  deaths 5 room "$scratch/btrfs/limited"
  umount "$scratch/btrfs"
else
  leave_out "a quota: it needs root, a loop device and btrfs with quotas $(cat "$scratch/mkfs.log" 2>/dev/null)"
fi

shopt -s nullglob
for report in "$reports".*; do
  grep -v '^$' "$report" | head -n 100
  fail 'a sanitizer has found something'
done
pass
