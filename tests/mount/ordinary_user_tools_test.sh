#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an ordinary user packs, verifies, lists, extracts and compares without a right of root's and without FUSE, and is
# told what is closed.
. "$(dirname "$0")/../support/harness.sh"
make_ordinary_user
cp -r "$support" "$scratch/support"  # the checkout may be closed to others
chmod -R a+rX "$scratch/support"
# shellcheck disable=SC2016  # for the inner shell
as_user bash -euc 'cd "$1"; . ./trees.sh; make_odd_tree "$2"' - "$scratch/support" "$user_home/tree" || fail 'making a tree'
tree=$user_home/tree pack=$user_home/tree.quire
tool() { as_user "$user_quire" "$@"; }

# There and back, and there again: the same files and the same bytes.
assert_exit 0 tool pack --progress never "$tree" -o "$pack"
assert_equal "$(stat -c %U "$pack")" "$user" 'owner of the pack'
assert_exit 0 tool verify "$pack"
assert_says 'no fault'
assert_exit 0 tool ls -lR "$pack"
assert_exit 0 tool diff "$pack" "$tree"
assert_says 'no difference'
assert_exit 0 tool extract "$pack" --same-permissions --progress never -C "$user_home/out"
assert_equal "$output" '' 'what the target could not hold'
# shellcheck disable=SC2016
as_user bash -c 'cd "$1"; . ./compare.sh; assert_same_tree "$2" "$3"' - "$scratch/support" "$tree" "$user_home/out" || fail 'what was extracted differs'
assert_exit 0 tool diff "$pack" "$user_home/out"
assert_exit 0 tool pack --progress never "$user_home/out" -o "$user_home/again.quire"
cmp "$pack" "$user_home/again.quire"
# Without a word about modes, as tar does it.
(umask 027 && as_user "$user_quire" extract "$pack" --progress never -C "$user_home/plain") || fail 'extracting'
assert_equal "$(find "$user_home/plain" ! -type l -perm /7027 -print)" ''
assert_exit 0 tool diff --ignore mode "$pack" "$user_home/plain"

# Folders and files that are closed to the user.
if is_root; then
  mkdir -p "$scratch/closed" "$scratch/shared/folder"
  assert_exit 1 tool extract "$pack" --progress never -C "$scratch/closed/out"
  assert_says 'closed/out' 'permission denied'
  assert_equal "$(wc -l <<<"$output")" 1 "$output"
  assert_exit 1 tool extract "$pack" --progress never -C "$scratch/closed"
  assert_says 'permission denied'
  assert_equal "$(ls -A "$scratch/closed")" ''
  assert_exit 1 tool pack --progress never "$tree" -o "$scratch/closed/out.quire"
  assert_says 'permission denied'
  chmod 600 "$scratch/closed"
  assert_exit 1 tool verify "$scratch/closed/none.quire"
  assert_says 'permission denied'

  # Of a pack of root the user gets the files, as the user's own; comparing tells owners unless told not to.
  cp -a "$tree/sizes" "$scratch/roots" && chown -R root:root "$scratch/roots" && chmod 755 "$scratch/roots"
  chmod 640 "$scratch/roots/65537 bytes"
  pack "$scratch/roots" -o "$scratch/roots.quire" && chmod 644 "$scratch/roots.quire"
  assert_exit 0 tool extract "$scratch/roots.quire" --progress never -C "$user_home/of root"
  assert_equal "$(find "$user_home/of root" ! -user "$user" -print)" ''
  assert_exit 0 tool diff --ignore owner "$scratch/roots.quire" "$user_home/of root"
  assert_exit 1 tool diff "$scratch/roots.quire" "$user_home/of root"
  assert_says "0 bytes: owner 0:0, now $(id -u "$user"):"
  # A file that the user cannot read is named, and everything else compared.
  assert_exit 1 tool diff "$scratch/roots.quire" "$scratch/roots"
  assert_says '^quire diff: 65537 bytes: .*permission denied' '1 unreadable'
  assert_equal "$(grep -c . <<<"$output")" 2 "$output"
  # What the user may not replace in a folder of all stays, and is named; --keep-going makes the rest.
  chmod 1777 "$scratch/shared" && echo "root's" >"$scratch/shared/1 bytes"
  assert_exit 1 tool extract "$scratch/roots.quire" --overwrite --keep-going --progress never -C "$scratch/shared"
  assert_says "^quire extract: '1 bytes': .*not permitted"
  assert_equal "$(cat "$scratch/shared/1 bytes")" "root's"
  cmp "$scratch/roots/8 bytes" "$scratch/shared/8 bytes"
  assert_equal "$(find "$scratch/shared" -name '.quire*')" ''
fi
pass
