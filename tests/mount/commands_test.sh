#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: ls, cat, info, verify and help tell the truth without mounting, and exit with 0, 1 or 2 as promised.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

tree=$scratch/tree
pack=$scratch/tree.quire
mkdir -p "$tree/folder/below" "$tree/empty"
echo first >"$tree/first" && ln "$tree/first" "$tree/folder/first again"
random_bytes 3000000 big >"$tree/folder/big"
ln -s first "$tree/symlink"
ln -s nowhere "$tree/empty/dangling"
ln -s /etc "$tree/empty/outside"
sparse "$tree/sparse" 100000 50000
touch -d 2001-02-03T04:05:06 "$tree/first"
chmod 4750 "$tree/first"
pack "$tree" -o "$pack"

# ls
assert_equal "$(quire ls "$pack" | tr '\n' ' ')" 'empty first folder sparse symlink '
assert_equal "$(quire ls "$pack" folder | tr '\n' ' ')" 'below big first again '
assert_equal "$(list_paths "$pack")" "$(cd "$tree" && find . -mindepth 1 -printf '%P\n' | sort)"
assert_equal "$(quire ls "$pack" first)" first
line=$(quire ls -l "$pack" | grep -m 1 'first$')
for part in '-rwsr-x---' 2001-02-03 ' 6 '; do [[ $line == *"$part"* ]] || fail "ls -l: '$part' is not in '$line'"; done
quire ls -l "$pack" | grep -q 'symlink -> first$' || fail 'ls -l: no target'
for name in empty/dangling empty/outside; do assert_equal "$(quire ls "$pack" $name)" $name; done
assert_exit 1 quire ls "$pack" none
assert_says none

# All that count entries count the same.
entries="$(find "$tree" -mindepth 1 | wc -l) entries"
for command in "verify $pack" "diff $pack $tree" "extract --progress always $pack -C $scratch/out"; do
  # shellcheck disable=SC2086  # words
  assert_exit 0 quire $command
  assert_says "$entries"
done

# cat
quire cat "$pack" folder/big | cmp - "$tree/folder/big"
quire cat "$pack" /first 'folder/first again' sparse | cmp - <(cat "$tree/first" "$tree/first" "$tree/sparse")
assert_exit 1 quire cat "$pack" folder
assert_says folder
assert_exit 1 quire cat "$pack" none first
assert_says none
quire cat "$pack" folder/big | head -c 10 >/dev/null || true  # a closed pipe is nothing to cry about

# info
quire info "$pack" >"$scratch/info"
[ -s "$scratch/info" ] || fail 'info says nothing'
quire info --json "$pack" >"$scratch/info.json"
assert_equal "$(json 'd["samples"]' <"$scratch/info.json")" 3
assert_equal "$(json 'd["symlinks"]' <"$scratch/info.json")" 3
assert_equal "$(json 'd["hard_links"]' <"$scratch/info.json")" 1
assert_equal "$(json 'd["sample_bytes"]' <"$scratch/info.json")" $((6 + 3000000 + 100000))
assert_equal "$(json 'd["pack_bytes"]' <"$scratch/info.json")" "$(stat -c %s "$pack")"
assert_equal "$(json 'd["stored_bytes"] < 3100000' <"$scratch/info.json")" True 'holes are not stored'

# verify
assert_exit 0 quire verify "$pack"
assert_exit 0 quire verify --jobs 2 "$pack"
quire verify --json "$pack" | json 'd' >/dev/null

# Help and version.
[[ $(quire --version) =~ ^quire\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "--version: $(quire --version)"
assert_exit 0 quire --help
for command in pack mount umount ls cat extract diff info verify; do
  assert_exit 0 quire --help
  assert_says "$command"
  assert_exit 0 quire $command --help
  assert_says "^Usage: quire $command .*\[OPTION\]" 'help'
  assert_exit 2 quire $command --no-such-option
  assert_exit 2 quire $command
done

# Wrong usage.
assert_exit 2 quire
assert_exit 2 quire info "$pack" --no-such-option
assert_says 'no-such-option'
assert_exit 2 quire unknown
assert_exit 2 quire pack "$tree"
assert_exit 2 quire pack "$tree" -o "$scratch/new.quire" --jobs zero
assert_exit 2 quire pack "$tree" -o "$scratch/new.quire" --jobs 0
assert_exit 2 quire pack "$tree" -o "$scratch/new.quire" --order sideways
assert_exit 2 quire pack "$tree" -o "$scratch/new.quire" --order shuffle:
assert_exit 2 quire pack "$tree" -o "$scratch/new.quire" --progress sometimes
assert_exit 2 quire pack "$tree" second -o "$scratch/new.quire"
assert_exit 2 quire extract "$pack"
assert_exit 2 quire cat "$pack"
assert_exit 2 quire mount "$pack"
[ ! -e "$scratch/new.quire" ] || fail 'wrong usage made a pack'
# What cannot be written is an error, and not lost.
if [ -e /dev/full ]; then
  for command in "ls $pack" "info $pack" "cat $pack first"; do
    # shellcheck disable=SC2086  # several words
    if "$QUIRE" $command >/dev/full 2>/dev/null; then fail "no error from a full standard output: $command"; fi
  done
fi
pass
