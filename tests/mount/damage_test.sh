#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a damaged pack is never believed: the damage is named and reads as EIO, and all else reads right. Damage anywhere else,
# by the thousand, is trust/pack_damage_test.sh's.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

make_samples "$scratch/tree" 3 40 4000
random_bytes 5000000 big >"$scratch/tree/big"
echo 'the marked sample' >"$scratch/tree/marked"
pack "$scratch/tree" -o "$scratch/good.quire"
quire verify "$scratch/good.quire" >/dev/null || fail 'an undamaged pack does not verify'
bad=$scratch/bad.quire

# flip AT...: makes $bad, the pack with the lowest bit of some bytes flipped. Negative: from the end.
flip() {
  cp "$scratch/good.quire" "$bad"
  python3 - "$bad" "$@" <<'PYTHON'
import os, sys
with open(sys.argv[1], 'r+b') as file:
    for at in map(int, sys.argv[2:]):
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
PYTHON
}
# place FILE: where the first bytes of a sample lie in the pack.
place() { python3 -c 'import sys; pack, sample = (open(f, "rb").read() for f in sys.argv[1:]); print(pack.index(sample[:4000]))' "$scratch/good.quire" "$1"; }

# differing DIR: the files of the tree that DIR does not have as they are (diff would stop at the first EIO).
differing() {
  (cd "$scratch/tree" && find . -type f | sort | while read -r name; do cmp -s "$name" "$1/$name" || printf '%s ' "$name"; done)
}

# One sample: verify names it, goes on and finds the second; nobody reads wrong bytes, everybody else's are right.
flip "$(place "$scratch/tree/marked")" $(($(place "$scratch/tree/001/00007.bin") + 3999)) $(($(place "$scratch/tree/big") + 4100))
assert_exit 1 quire verify "$bad"
assert_says marked 001/00007.bin big
! grep -q '00008' <<<"$output" || fail "verify blames a good sample: $output"
status=0
quire verify --json "$bad" >"$scratch/verify.json" || status=$?
assert_equal $status 1
python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))' "$scratch/verify.json" >"$scratch/faults"
for name in marked 001/00007.bin big; do grep -q "$name" "$scratch/faults" || fail "verify --json does not name $name"; done
assert_exit 1 quire cat "$bad" marked
assert_exit 0 quire cat "$bad" 000/00000.bin
quire cat "$bad" 000/00000.bin 2>/dev/null | cmp - "$scratch/tree/000/00000.bin"  # and nothing else, such as a log
assert_exit 0 quire info "$bad"
assert_exit 0 quire ls -R "$bad"
mkdir "$scratch/extracted"
assert_exit 1 quire extract --keep-going "$bad" -C "$scratch/extracted"
assert_says marked 001/00007.bin big
assert_equal "$(differing "$scratch/extracted")" './001/00007.bin ./big ./marked ' 'files that extract could not make right'
if [ -e /dev/fuse ]; then
  mount_pack "$bad" "$scratch/mnt"
  for name in marked 001/00007.bin big; do
    assert_fails cat "$scratch/mnt/$name"
    assert_says 'input/output error'
    assert_fails cat "$scratch/mnt/$name"  # nor the second time
  done
  # Of a large sample, the extents that are whole can be read.
  cmp -n 900000 -i 4100000 "$scratch/tree/big" "$scratch/mnt/big"
  assert_equal "$(differing "$scratch/mnt")" './001/00007.bin ./big ./marked ' 'files that do not read right in the mount'
  umount_pack "$scratch/mnt"
fi

# What is no pack, or not one for this release.
make_samples "$scratch/tree2" 2 10 100000
pack "$scratch/tree2" -o "$scratch/good.quire" --force
mkdir -p "$scratch/mnt"
refused() {
  local command
  for command in 'info' 'ls' 'verify' 'cat' 'extract' 'mount'; do
    case $command in
      cat) set -- "$1" 000/00000.bin ;;
      extract) set -- "$1" -C "$scratch/none" ;;
      mount) set -- "$1" "$scratch/mnt" ;;
      *) set -- "$1" ;;
    esac
    assert_exit 1 quire $command "$@"
    grep -qF "${1##*/}" <<<"$output" || fail "$command: the message does not name the pack: $output"
  done
  ! is_mounted "$scratch/mnt" || fail "$1 was mounted"
}
: >"$bad"; refused "$bad"
echo 'not a pack' >"$bad"; refused "$bad"
head -c 100000 /dev/zero >"$bad"; refused "$bad"; assert_says 'not a quire pack'
random_bytes 100000 noise >"$bad"; refused "$bad"; assert_says 'not a quire pack'
for length in 1 4095 4096 8192 1000000 $(($(stat -c %s "$scratch/good.quire") - 1)); do
  head -c $length "$scratch/good.quire" >"$bad"; refused "$bad"
done
assert_says 'truncated\|shorter\|ends'
cp "$scratch/good.quire" "$bad" && printf '\3' | dd of="$bad" bs=1 seek=8 conv=notrunc status=none; refused "$bad"
assert_says 'format 3\.0' 'reads 2' 'newer quire'
"${FORGE_PACK:-$(dirname "$QUIRE")/forge_pack}" superblock 12 4 1 "$scratch/good.quire" "$bad"; refused "$bad"
assert_says 'feature' 'newer quire'
cp "$support/../data/refuses-format-1.0.quire" "$bad"; refused "$bad"
assert_says 'format 1\.0' 'pack its source again'
refused "$scratch/tree2"
refused "$scratch/no-such.quire"
assert_says 'no such file'
# What lies behind the end of the generation is not part of it.
cp "$scratch/good.quire" "$bad" && random_bytes 5000 tail >>"$bad"
assert_exit 0 quire verify "$bad"

# A pack that is cut while it is mounted: EIO, and the daemon lives.
if [ -e /dev/fuse ]; then
  cp "$scratch/good.quire" "$bad"
  mount_pack "$bad" "$scratch/mnt"
  truncate -s 100000 "$bad"
  assert_fails cat "$scratch/mnt/001/00009.bin"
  assert_says 'input/output error'
  stat "$scratch/mnt" >/dev/null || fail 'the daemon died of a truncated pack'
  umount_pack "$scratch/mnt"
fi
pass
