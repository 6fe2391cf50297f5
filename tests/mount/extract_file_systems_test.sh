#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: extract gives back the tree on file systems that lack something, and large samples share the pack's blocks where
# they can.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
is_root || skip 'mounting file systems needs root'

make_samples "$scratch/tree/samples" 3 20 5000
random_bytes 30000000 big >"$scratch/tree/big"
sparse "$scratch/tree/sparse" 20000000 0 5000000 10000000
: >"$scratch/tree/empty"
ln "$scratch/tree/big" "$scratch/tree/samples/big too"
mkdir "$scratch/tree/folder" && ln -s ../big "$scratch/tree/folder/link"
pack "$scratch/tree" -o "$scratch/tree.quire"

# make_disk TYPE: an empty file system of a file at $scratch/TYPE. False where it cannot be had.
make_disk() {
  command -v "mkfs.$1" >/dev/null || { leave_out "$1: there is no mkfs.$1"; return 1; }
  truncate -s 400M "$scratch/$1.disk"
  mkfs."$1" "$scratch/$1.disk" >"$scratch/log" 2>&1 || fail "mkfs.$1: $(cat "$scratch/log")"
  mkdir "$scratch/$1"
}
used_kib() { sync -f "$1"; df --output=used -k "$1" | tail -n 1; }

# On XFS and btrfs, a sample of many pages costs no space beside its pack.
for type in xfs btrfs; do
  make_disk $type || continue
  if ! mount -o loop "$scratch/$type.disk" "$scratch/$type" 2>/dev/null; then
    leave_out "$type: the kernel does not mount it"
    continue
  fi
  mounts+=("$scratch/$type")
  cp "$scratch/tree.quire" "$scratch/$type/tree.quire"
  before=$(used_kib "$scratch/$type")
  assert_exit 0 quire extract "$scratch/$type/tree.quire" -C "$scratch/$type/out"
  assert_equal "$output" ''
  same_content "$scratch/tree" "$scratch/$type/out"
  same_xattrs "$scratch/tree" "$scratch/$type/out"
  added=$(($(used_kib "$scratch/$type") - before))
  [ $added -lt 15000 ] || fail "$type: $added KiB more for a tree of which 28,000 KiB are in the pack as they are"
  # What is shared is checked like everything else.
  cp --reflink=never "$scratch/tree.quire" "$scratch/$type/bad.quire"
  python3 - "$scratch/tree/big" "$scratch/$type/bad.quire" <<'PYTHON'
import sys
sample, pack = (open(name, 'rb').read() for name in sys.argv[1:])
at = pack.index(sample[10_000_000:10_002_000])
with open(sys.argv[2], 'r+b') as file:
    file.seek(at)
    file.write(bytes([pack[at] ^ 1]))
PYTHON
  assert_exit 1 quire extract "$scratch/$type/bad.quire" big -C "$scratch/$type/bad"
  assert_says checksum
  [ ! -e "$scratch/$type/bad/big" ] || fail 'a damaged sample was shared'
  umount "$scratch/$type"
done

# exfat by FUSE has no unnamed files, no links of any kind, no owners, modes and attributes: contents and names are right.
if command -v mount.exfat-fuse >/dev/null && make_disk exfat; then
  mounts+=("$scratch/exfat")
  loop=$(losetup --find --show "$scratch/exfat.disk") || fail 'no loop device'
  status=0
  mount.exfat-fuse "$loop" "$scratch/exfat" >"$scratch/log" 2>&1 || status=$?
  losetup --detach "$loop"  # once it is unmounted
  [ $status -eq 0 ] || fail "mount.exfat-fuse: $(cat "$scratch/log")"
  assert_exit 1 quire extract "$scratch/tree.quire" --keep-going -C "$scratch/exfat/out"
  assert_says "'folder/link'" 'hard links'
  rm "$scratch/tree/folder/link"
  same_content "$scratch/tree" "$scratch/exfat/out"
  assert_equal "$(find "$scratch/exfat/out" -name '.quire*')" ''
  assert_exit 1 quire extract "$scratch/tree.quire" samples -C "$scratch/exfat/out"
  assert_says 'already'
  assert_exit 0 quire extract "$scratch/tree.quire" samples --overwrite -C "$scratch/exfat/out"
  umount "$scratch/exfat"
else
  leave_out 'exfat: there is no mount.exfat-fuse'
fi
pass
