#!/bin/bash
# Goal: quire bench formats measures every format, leaves nothing behind however it ends, and only reads what it is given.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

tree=$scratch/tree
work=$scratch/work
mkdir "$tree" "$work"
make_odd_names "$tree/names"
make_samples "$tree/samples" 2 50 5000
ln -s names "$tree/symlink"
: >"$tree/empty"

state_of() { find "$1" -printf '%p %y %i %m %s %T@ %C@ %l\0' | sort -z | sha256sum; }
before=$(state_of "$tree")
assert_nothing_left() {
  assert_equal "$(find "$work" -mindepth 1)" '' 'left in the work folder'
  ! grep -qF "$work/" /proc/self/mountinfo || fail 'a mount is left'
  assert_equal "$(state_of "$tree")" "$before" 'the folder that was measured has changed'
}

# Every format is measured, over every sample.
assert_exit 0 quire bench formats "$tree" --quick --threads 2 --work "$work" \
  --json "$scratch/out.json" --csv "$scratch/out.csv" --report "$scratch/out.html"
assert_nothing_left
samples=$(find "$tree" -type f -printf x | wc -c)
assert_equal "$(json 'd["settings"]["samples"]' <"$scratch/out.json")" "$samples" samples
assert_equal "$(json '" ".join(r["format"] for r in d["results"] if r["experiment"] == "build")' <"$scratch/out.json")" 'files tar zip lmdb pack'
assert_equal "$(json '" ".join(sorted({r["format"] for r in d["results"] if r["experiment"] == "read" and r["samples_per_second_median"] > 0}))' <"$scratch/out.json")" \
  'files lmdb mount pack tar zip'
assert_equal "$(json '{(r["order"], r["cache"]) for r in d["results"] if r["experiment"] == "read"} == {("path", "evicted"), ("random", "evicted"), ("random", "warm")}' \
  <"$scratch/out.json")" True
assert_equal "$(json 'sum(r.get("failures", 0) for r in d["results"])' <"$scratch/out.json")" 0 'samples that could not be read'
[ -s "$scratch/out.csv" ] && grep -q '<svg' "$scratch/out.html" || fail 'no CSV or no page'

# A part of the samples, evenly.
assert_exit 0 quire bench formats "$tree" --quick --limit-samples 10 --work "$work"
assert_says "10 of $samples samples were taken"
assert_exit 0 quire bench formats "$tree" --quick --limit-bytes 100KiB --work "$work"
assert_says "of $samples samples were taken"
assert_nothing_left

# Interrupted while it builds, and while the pack is mounted: nothing is left.
interrupt() {  # SIGNAL CONDITION...
  local status=0 signal=$1
  shift
  env --default-signal=INT "$QUIRE" bench formats "$tree" --repeats 1000 --work "$work" >"$scratch/log" 2>&1 &
  local id=$!
  background+=("$id")
  until_true 20 "$@" || fail "never: $*"
  kill -"$signal" "$id"
  wait "$id" || status=$?
  assert_equal "$status" $((128 + $(kill -l "$signal"))) "exit status after SIG$signal: $(cat "$scratch/log")"
  grep -q interrupted "$scratch/log" || fail "does not say that it was interrupted: $(cat "$scratch/log")"
  assert_nothing_left
}
something_is_built() { [ -n "$(find "$work" -mindepth 2 -print -quit)" ]; }
pack_is_mounted() { grep -q " $work/.*/mount .*fuse.quire" /proc/self/mountinfo; }
interrupt INT something_is_built
for signal in INT TERM HUP; do interrupt $signal pack_is_mounted; done

# Where the pack cannot be mounted, all else is measured.
mkdir "$scratch/alone" && cp "$(dirname "$QUIRE")/quire-bench" "$scratch/alone/"
assert_exit 0 "$scratch/alone/quire-bench" formats "$tree" --quick --work "$work" --json "$scratch/alone.json"
assert_says 'mount was not measured: .*/alone/quire: no such file'
assert_equal "$(json 'sorted({r["format"] for r in d["results"]})' <"$scratch/alone.json")" "['files', 'lmdb', 'pack', 'tar', 'zip']"
assert_nothing_left

# What cannot be read is left out, and said.
make_ordinary_user
cp "$(dirname "$QUIRE")/quire-bench" "$scratch/"
if is_root; then
  mkdir "$scratch/secret" "$user_home/work" && chown "$user:" "$user_home/work"
  echo open >"$scratch/secret/open" && echo closed >"$scratch/secret/closed" && chmod 600 "$scratch/secret/closed"
  assert_exit 0 as_user "$user_quire" bench formats "$scratch/secret" --quick --work "$user_home/work"
  assert_says '1 could not be read, the first: closed: permission denied'
  assert_equal "$(find "$user_home/work" -mindepth 1)" '' 'left by an ordinary user'
fi
# Caches of the whole machine are not an ordinary user's to drop.
assert_exit 1 as_user "$user_quire" bench formats "$tree" --quick --cold --work "$user_home"
assert_says '--cold' root

# No space: told in numbers beforehand, and survived when it comes suddenly.
if is_root && mount -t tmpfs -o size=1m,nr_inodes=100 none "$work" 2>/dev/null; then
  mounts+=("$work")
  assert_exit 1 quire bench formats "$tree" --quick --work "$work"
  assert_says 'are free, .* are needed' --work
  mount -o remount,size=1g "$work"
  assert_exit 1 quire bench formats "$tree" --quick --work "$work"
  assert_says 'no space left'
  assert_equal "$(find "$work" -mindepth 1)" '' 'left on a full disk'
  umount "$work"
else
  leave_out 'a full disk: it takes root to make one'
fi

# Wrong usage, and nothing to measure.
assert_exit 2 quire bench formats
assert_exit 2 quire bench formats "$tree" --limit-samples 0 --work "$work"
assert_exit 1 quire bench formats "$scratch/none" --work "$work"
assert_says "$scratch/none"
mkdir "$scratch/empty"
assert_exit 1 quire bench formats "$scratch/empty" --work "$work"
assert_says 'no regular file'
assert_exit 1 quire bench formats "$tree" --work "$scratch/none"
assert_says "$scratch/none"
assert_nothing_left
pass
