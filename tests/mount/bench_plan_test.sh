#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: `quire bench epoch --plan` tells .quire/plan the order that it reads in, epoch by epoch, and never waits for who reads it.
. "$(dirname "$0")/../support/harness.sh"

tree=$scratch/tree
mkdir -p "$tree/folder one" "$tree/.quire"
for i in $(seq 400); do echo "$i" >"$tree/folder one/$i"; done
echo odd >"$tree/"$'new\nline'
mkfifo "$tree/.quire/plan"
(cd "$tree" && find . -type f -printf '%P\0' | sort -z) >"$scratch/paths"
bytes=$(stat -c %s "$scratch/paths")
epoch() { timeout 60 "$QUIRE" bench epoch "$@" --plan --json -; }
told() { json '[(r["samples"], r["planned_samples"]) for r in d["results"]]'; }

# Every path once, relative to the root, ended by NUL, in the order of reading; the pipe itself is no sample. Descriptor 3 is
# a reader that is always there, and what has been told waits in the pipe.
exec 3<>"$tree/.quire/plan"
assert_equal "$(epoch "$tree" --order path --epochs 1 | told)" '[(401, 401)]'
head -c "$bytes" <&3 >"$scratch/plan"
cmp "$scratch/plan" "$scratch/paths" || fail 'the plan of an epoch in path order is another'

# Each epoch has its own plan, which is the order that the files are opened in.
strace -f -qq -e trace=openat -s 300 -o "$scratch/trace" "$QUIRE" bench epoch "$tree" --plan --threads 1 --json "$scratch/random.json" >/dev/null
assert_equal "$(told <"$scratch/random.json")" '[(401, 401), (401, 401)]'
for epoch in 1 2; do
  head -c "$bytes" <&3 >"$scratch/plan$epoch"
  cmp -s <(sort -z "$scratch/plan$epoch") "$scratch/paths" || fail "the plan of epoch $epoch has other paths"
done
! cmp -s "$scratch/plan1" "$scratch/plan2" || fail 'both epochs have one order'
opened() { sed -n 's/.*openat([0-9]*, "\(folder one\/[0-9]*\|new\\nline\)", O_RDONLY|O_CLOEXEC.*/\1/p' "$scratch/trace"; }
cmp <(opened) <(cat "$scratch/plan1" "$scratch/plan2" | tr '\n\0' '~\n' | sed 's/~/\\n/') || fail 'files were opened in another order'
exec 3>&-

# Nobody reads the pipe; somebody opens it later and goes away amidst.
assert_equal "$(epoch "$tree" --epochs 2 | told)" '[(401, 0), (401, 0)]'
assert_exit 0 timeout 60 "$QUIRE" bench epoch "$tree" --plan --epochs 1
assert_says 'plan fell behind: the mount was told of 0 files'
head -c 1000 "$tree/.quire/plan" >/dev/null & background+=($!)
assert_equal "$(epoch "$tree" --epochs 1 --processes 2 | json '[r["samples"] for r in d["results"]]')" '[401]'

# Somebody has it open and does not read: the pipe takes 64 KiB, and the epochs end nevertheless.
long=$scratch/long
mkdir -p "$long/.quire"
for i in $(seq 400); do : >"$long/$(printf 'x%.0s' {1..240})$i"; done
mkfifo "$long/.quire/plan"
exec 3<>"$long/.quire/plan"
assert_equal "$(epoch "$long" --epochs 1 | json '[0 < r["planned_samples"] < r["samples"] == 400 for r in d["results"]]')" '[True]'
assert_equal "$(epoch "$long" --epochs 1 --processes 2 | told)" '[(400, 0)]'
exec 3>&-

# What takes no plan says so.
rm "$tree/.quire/plan"
assert_exit 1 quire bench epoch "$tree" --plan
assert_says "$tree/.quire/plan: there is no such pipe"
echo file >"$tree/.quire/plan"
assert_exit 1 quire bench epoch "$tree" --plan
assert_says "$tree/.quire/plan: there is no such pipe"
pack "$tree/folder one" -o "$scratch/tree.quire"
assert_exit 1 quire bench epoch "$scratch/tree.quire" --plan
assert_says 'there is no such pipe'
pass
