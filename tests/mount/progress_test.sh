#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: long work shows how far it is, on a terminal of any width in one line that stays, elsewhere in lines of its own.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

# A disk so slow that work on it takes a second or so.
mkdir "$scratch/tree"
random_bytes 20000000 a >"$scratch/tree/a"
pack "$scratch/tree" -o "$scratch/tree.quire"
start_slow_disk "$scratch/tree/a" "$scratch/slow"
echo 'delay 300000 300000' >"$slow_rules"

on_terminal() { python3 "$support/terminal.py" "$@" >"$scratch/terminal" || fail "exit status $?: $(cat "$scratch/terminal")"; }
shown() { grep -qE "^shown: $1" "$scratch/terminal" || fail "line ${BASH_LINENO[0]}: never shown: $1: $(cat "$scratch/terminal")"; }
stays() { assert_equal "$(sed -n '/^stays: /=' "$scratch/terminal" | wc -l)" "$1" "lines that stay: $(cat "$scratch/terminal")"; }

# Percent and time come first, whatever else fits; the line that stays tells how long it took.
for columns in 60 80 200; do
  on_terminal $columns "$QUIRE" pack --jobs 1 --force "$scratch/slow" -o "$scratch/out.quire"
  shown '[ 0-9]{2}[0-9] %  [0-9]+:[0-9]{2} left  packing  [0-9.]+ [MK]?i?B of 19\.1 MiB'
  stays 1
  grep -qE '^stays: 100 %  [0-9]+:[0-9]{2}  packed  19\.1 MiB' "$scratch/terminal" || fail "$(cat "$scratch/terminal")"
  [ $columns -lt 80 ] || grep -q '^stays: .*\[=*\]$' "$scratch/terminal" || fail "no bar: $(cat "$scratch/terminal")"
done
grep -q '^stays: .* 1 samples\? ' "$scratch/terminal" || fail "no count on a wide terminal: $(cat "$scratch/terminal")"

# A bar that was shown stays, and work that takes no time shows nothing unless it is asked to.
on_terminal 80 "$QUIRE" verify "$scratch/tree.quire" --progress always
grep -qE '^stays: 100 %  0:00  verified  20\.0 MiB' "$scratch/terminal" || fail "$(cat "$scratch/terminal")"
mkdir "$scratch/few" && echo >"$scratch/few/small"
pack "$scratch/few" -o "$scratch/small.quire"
on_terminal 80 "$QUIRE" verify "$scratch/small.quire"
stays 0
on_terminal 80 "$QUIRE" pack --force "$scratch/slow" -o "$scratch/out.quire" --quiet
stays 0
# The first line of an extraction is from before it is known how much there is.
output=$(quire extract "$scratch/small.quire" -C "$scratch/extracted" --progress always 2>&1)
assert_says 'reading the index' 'extracted'
! grep -q 'of 0' <<<"$output" || fail "$output"
on_terminal 80 "$QUIRE" pack --force "$scratch/slow" -o "$scratch/out.quire" --progress never
stays 0

# Without a terminal the first line comes at once, and nothing but lines.
quire pack --jobs 1 --force "$scratch/slow" -o "$scratch/out.quire" 2>"$scratch/lines" >/dev/null &
packer=$!
background+=("$packer")
first_line() { [ -s "$scratch/lines" ] && kill -0 "$packer"; }
until_true 2 first_line || fail 'no line while it packs'
wait "$packer"
grep -qE '^100 %  [0-9:]+  packed  19\.1 MiB' "$scratch/lines" || fail "$(cat "$scratch/lines")"
! grep -q '[[:cntrl:]]' "$scratch/lines" || fail 'control characters without a terminal'
assert_exit 0 quire verify --quiet "$scratch/tree.quire"
assert_equal "$output" '' 'what verify --quiet says'

# An interrupt takes the bar away and says one thing.
status=0
python3 "$support/terminal.py" 80 env --default-signal=INT python3 -c '
import signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[1:])
time.sleep(1)
process.send_signal(signal.SIGINT)
sys.exit(-process.wait())' "$QUIRE" pack --jobs 1 --force "$scratch/slow" -o "$scratch/out.quire" >"$scratch/terminal" || status=$?
assert_equal $status 2 'the signal that ended it'
assert_equal "$(grep '^stays: ' "$scratch/terminal")" 'stays: quire pack: interrupted, nothing was written'
pass
