#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a pack whose numbers lie, with good sums, ends no command and no mount: each lists a tree, says what is wrong with
# the rest, and obeys a signal. QUIRE_FUZZ_PACKS=5000 mounts as many changed packs; QUIRE_FUZZ_SEED says which.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
forge=${FORGE_PACK:-$(dirname "$QUIRE")/forge_pack}
[ -x "$forge" ] || skip "no $forge: build the target forge_pack"

# quick COMMAND...: ends by itself, within 30 seconds, with exit status 0 or 1; its output, cut, is in $scratch/out.
quick() {
  local status=0
  timeout 30 "$@" >"$scratch/whole-out" 2>&1 || status=$?
  head -c 100000 "$scratch/whole-out" >"$scratch/out"
  [ $status -le 1 ] || fail "$*: exit status $status, after $(head -c 300 "$scratch/out")"
  [ "$(stat -c %s "$scratch/whole-out")" -lt 50000000 ] || fail "$*: $(stat -c %s "$scratch/whole-out") bytes of output"
  return $status
}
says() { grep -q "$@" "$scratch/out" || fail "not said: $*: $(head -c 500 "$scratch/out")"; }

# walked PACK MOST: every command gets through PACK, and meets no more than MOST entries.
walked() {
  local entries
  quick "$QUIRE" info "$1" || fail 'info refuses it'
  quick "$QUIRE" ls -R "$1" || true
  for form in --tree '-R --json' '-R -0' '-Rl'; do
    # shellcheck disable=SC2086  # several words
    quick "$QUIRE" ls $form "$1" || true
  done
  entries=$(timeout 30 "$QUIRE" ls -R -0 "$1" 2>"$scratch/log" | tr '\0' '\n' | wc -l) || true
  [ "$entries" -le "$2" ] || fail "$1: $entries entries, at most $2 are there"
  ! quick "$QUIRE" verify "$1" || fail "verify finds nothing in $1"
  rm -rf "$scratch/extracted" && mkdir "$scratch/extracted"
  quick "$QUIRE" extract --keep-going "$1" -C "$scratch/extracted" || true
  quick "$QUIRE" diff "$1" "$scratch/extracted" || true
  [ "$(find "$scratch/extracted" | wc -l)" -le $(($2 + 1)) ] || fail "$1: extract made more than there is"
  if [ -e /dev/fuse ]; then
    mount_pack "$1" "$scratch/mnt"
    # find goes by descriptors of folders, as deep as these are.
    entries=$(timeout 60 find "$scratch/mnt" -mindepth 1 2>"$scratch/log" | wc -l) || true
    [ "$entries" -le "$2" ] || fail "$1, mounted: $entries entries, at most $2 are there"
    stat "$scratch/mnt" >/dev/null || fail "the daemon died of $1"
    umount_pack "$scratch/mnt"
  fi
}

# Directories that share their children: 2^40 paths in a pack of 20 KB.
"$forge" shared 40 "$scratch/shared.quire"
walked "$scratch/shared.quire" 82
"$forge" spaced 40 "$scratch/spaced.quire"
walked "$scratch/spaced.quire" 122
# A directory in a directory, 60,000 of them.
"$forge" chain 60000 "$scratch/chain.quire"
walked "$scratch/chain.quire" 60000

quick "$QUIRE" verify "$scratch/chain.quire" || says 'longer than 4095 bytes'

# Numbers out of range, each where a daemon or a command would use it.
make_samples "$scratch/tree" 2 40 30000
ln "$scratch/tree/000/00000.bin" "$scratch/tree/hard"
ln -s 000/00001.bin "$scratch/tree/link"
setfattr -n user.label -v cat "$scratch/tree/000/00002.bin"
truncate -s 3000000 "$scratch/tree/sparse" && random_bytes 5000 sparse | dd of="$scratch/tree/sparse" bs=4096 seek=100 conv=notrunc status=none
pack "$scratch/tree" -o "$scratch/good.quire"
if [ -e /dev/fuse ]; then
  # The node of an extent is looked at by the thread that passes samples on, once their page has come.
  "$forge" field 5 3 11 5 $((1 << 39)) "$scratch/good.quire" "$scratch/bad.quire"
  mount_pack "$scratch/bad.quire" "$scratch/mnt"
  find "$scratch/mnt" -type f -exec cat {} + >/dev/null 2>&1 || true
  sleep 0.3
  find "$scratch/mnt" -type f -exec cat {} + >/dev/null 2>&1 || true
  cmp "$scratch/tree/001/00039.bin" "$scratch/mnt/001/00039.bin"
  umount_pack "$scratch/mnt"
fi
# A root folder of which a name cannot be read: the mount's own figures can.
if [ -e /dev/fuse ]; then
  for node in 1 2 3; do
    "$forge" field 4 $node 20 5 0xffffff "$scratch/good.quire" "$scratch/bad.quire"
    mount_pack "$scratch/bad.quire" "$scratch/mnt"
    json 'd["cache"]' <"$scratch/mnt/.quire/stats" >/dev/null || fail "node $node: no figures"
    umount_pack "$scratch/mnt"
  done
fi
# Counts that no pack has: refused, not shown.
for at in 72 80 88 112; do
  "$forge" superblock $at 8 0xffffffffffffff00 "$scratch/good.quire" "$scratch/bad.quire"
  ! quick "$QUIRE" info "$scratch/bad.quire" || fail "info shows a count of 2^64 at $at"
  says superblock
done
# Three holes of 8 EiB are more than a count of bytes holds.
if truncate -s 9223372036854775807 /dev/shm/quire-test-hole-$$ 2>/dev/null; then
  rm -f /dev/shm/quire-test-hole-$$
  holes=$(mktemp -d /dev/shm/quire-test-holes.XXXXXX)
  for name in a b c; do truncate -s 9223372036854775807 "$holes/$name"; done
  pack "$holes" -o "$scratch/holes.quire"
  rm -rf "$holes"
  quick "$QUIRE" info "$scratch/holes.quire" || fail 'info fails'
  says 'more than 16.0 EiB'
  quick "$QUIRE" verify "$scratch/holes.quire" || fail "verify: $(cat "$scratch/out")"
fi

# Anything else, by chance.
need_fuse
python3 "$support/mount_fuzzer.py" "$QUIRE" "$forge" "$scratch/good.quire" "$scratch" "${QUIRE_FUZZ_SEED:-1}" "${QUIRE_FUZZ_PACKS:-150}"
# The same of several generations.
make_samples "$scratch/more/001" 1 3 3000
cp "$scratch/good.quire" "$scratch/grown.quire"
"$QUIRE" append -q "$scratch/grown.quire" "$scratch/more"
"$QUIRE" rm -q "$scratch/grown.quire" 000/00001.bin hard
python3 "$support/mount_fuzzer.py" "$QUIRE" "$forge" "$scratch/grown.quire" "$scratch" "${QUIRE_FUZZ_SEED:-1}" "${QUIRE_FUZZ_PACKS:-100}"
pass
