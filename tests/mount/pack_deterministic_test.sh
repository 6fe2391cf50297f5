#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the same tree gives the same bytes, whatever the number of jobs and wherever the tree lies.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

make_odd_tree "$scratch/tree"
make_samples "$scratch/tree/samples" 20 100 3000
make_samples "$scratch/tree/again" 20 100 3000  # the same content: for --dedup
make_samples "$scratch/tree/images" 3 20 150000
cp -a "$scratch/tree" "$scratch/copy"
(cd "$scratch/tree" && find . -name '*.bin' -printf '%P\n' | sort -R --random-source=<(yes)) >"$scratch/list"

number=0
for options in '--order path' '--order shuffle:7' "--order list:$scratch/list" '--dedup' '--dedup --order shuffle:7'; do
  first=
  for run in tree:1 tree:2 tree:16 tree:16 copy:3; do
    # shellcheck disable=SC2086  # several words
    pack "$scratch/${run%:*}" -o "$scratch/out.quire" --force --jobs "${run#*:}" $options
    sum=$(sha256sum <"$scratch/out.quire")
    assert_equal "$sum" "${first:=$sum}" "$options, $run"
  done
  number=$((number + 1))
  echo "$first" >>"$scratch/sums"
done
assert_equal "$(sort -u "$scratch/sums" | wc -l)" $number 'different orders give different packs'
pack "$scratch/tree" -o "$scratch/out.quire" --force --order shuffle:8
! grep -qF "$(sha256sum <"$scratch/out.quire")" "$scratch/sums" || fail 'another seed gives the same pack'
pass
