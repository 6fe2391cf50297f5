#!/bin/bash
# Goal: whatever stops an extraction, what is there under a name of the pack is whole, and --skip-existing goes on from there.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_samples "$scratch/tree" 10 100 20000
for i in 1 2 3; do random_bytes 20000000 "big $i" >"$scratch/tree/00$i/big"; done
ln -s big "$scratch/tree/001/link" && ln "$scratch/tree/001/big" "$scratch/tree/009/same"
touch -d 2001-02-03T04:05:06 "$scratch"/tree/0*
pack "$scratch/tree" -o "$scratch/tree.quire"
# Every name that is there, but for temporary ones, has all of its bytes.
assert_whole() {
  python3 - "$scratch/tree" "$1" <<'PYTHON' || fail 'a file is not whole'
import filecmp, os, sys
tree, out = sys.argv[1:]
for folder, _, names in os.walk(out):
    for name in names:
        path = os.path.join(folder, name)
        original = os.path.join(tree, os.path.relpath(path, out))
        if name.startswith('.quire-extract-'): continue
        if os.path.islink(path): same = os.readlink(path) == os.readlink(original)
        else: same = filecmp.cmp(original, path, shallow=False)
        if not same: sys.exit(path)
PYTHON
}

# SIGKILL and SIGTERM in the middle, again and again, until it is through.
stopped=0
for ((round = 1; round <= 20; ++round)); do
  signal=KILL
  [ $((round % 2)) -eq 0 ] || signal=TERM
  status=0
  (
    timeout -s $signal 0.0"$((round % 5 + 3))" "$QUIRE" extract "$scratch/tree.quire" -C "$scratch/out" --skip-existing
    exit $?  # so that this shell tells of the kill, and nobody hears it
  ) 2>/dev/null || status=$?
  [ $status -ne 0 ] || break
  ((++stopped))
  [ $round -gt 6 ] || [ ! -e "$scratch/out" ] || assert_whole "$scratch/out"
done
[ $stopped -gt 0 ] || fail 'nothing was stopped'
tally $stopped 'extractions killed at some moment'
quire extract "$scratch/tree.quire" -C "$scratch/out" --skip-existing || fail 'continuing'
assert_same_tree "$scratch/tree" "$scratch/out"

# A signal ends it with one line, between two samples, where the disk is slow.
start_slow_disk "$scratch/tree.quire" "$scratch/slow"
echo 'delay 50000 50000' >"$slow_rules"
"$QUIRE" extract "$slow_pack" --jobs 1 --progress never -C "$scratch/interrupted" >"$scratch/log" 2>&1 &
background+=($!)
until_true 20 test -e "$scratch/interrupted/000/00000.bin" || fail 'a slow disk: nothing is extracted'
kill -TERM $!
status=0
wait $! || status=$?
[ $status -ne 0 ] || fail 'an interrupted extraction reports success'
grep -q 'quire extract: interrupted; [0-9,]* of 1,015 entries are there' "$scratch/log" || fail "interrupted: $(cat "$scratch/log")"
assert_equal "$(wc -l <"$scratch/log")" 1 "$(cat "$scratch/log")"
assert_whole "$scratch/interrupted"
assert_equal "$(find "$scratch/interrupted" -name '.quire*')" ''
: >"$slow_rules"
until_true 5 umount "$scratch/slow" || fail 'the slow disk is busy'

# A full disk ends it with one line, that says what is there.
if is_root && mkdir "$scratch/small" && mount -t tmpfs -o size=8M none "$scratch/small"; then
  mounts+=("$scratch/small")
  for more in '' --keep-going; do
    # shellcheck disable=SC2086  # nothing or a word
    assert_exit 1 quire extract "$scratch/tree.quire" -C "$scratch/small/out" --progress never --skip-existing $more
    assert_says 'no space left' 'of [0-9,]* entries' 'skip-existing'
    assert_equal "$(wc -l <<<"$output")" 1 "$output"
    assert_whole "$scratch/small/out"
  done
  mount -o remount,size=200M "$scratch/small"
  assert_exit 0 quire extract "$scratch/tree.quire" -C "$scratch/small/out" --skip-existing
  same_content "$scratch/tree" "$scratch/small/out"
  umount "$scratch/small"
else
  leave_out 'a full disk: no tmpfs can be mounted'
fi

# A fault ends it, or is named among all others.
bad=$scratch/bad.quire
python3 - "$scratch/tree" "$scratch/tree.quire" "$bad" <<'PYTHON'
import sys
tree, pack, bad = sys.argv[1:]
data = bytearray(open(pack, 'rb').read())
for name in ('002/00050.bin', '005/00001.bin', '003/big'):
    at = data.index(open(f'{tree}/{name}', 'rb').read()[:2000])
    data[at + 1000] ^= 1
open(bad, 'wb').write(data)
PYTHON
assert_exit 1 quire extract "$bad" --progress never -C "$scratch/stopped"
assert_says checksum 'of [0-9,]* entries'
assert_equal "$(wc -l <<<"$output")" 1 "$output"
assert_whole "$scratch/stopped"
assert_exit 1 quire extract "$bad" --keep-going --progress never -C "$scratch/salvaged"
assert_says "002/00050.bin'" "005/00001.bin'" "003/big'"
assert_equal "$(wc -l <<<"$output")" 3 "$output"
assert_whole "$scratch/salvaged"
assert_equal "$(cd "$scratch/salvaged" && find . -type f | wc -l)" $(($(cd "$scratch/tree" && find . -type f | wc -l) - 3))
pass
