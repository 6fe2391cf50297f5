#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: owners, modes and attributes become what they were for root, and what tar makes of them for all others; what the
# target cannot hold is counted, and costs no file.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

make_modes "$scratch/tree/modes"
make_xattrs "$scratch/tree/xattrs"
mkdir "$scratch/tree/closed" && echo inside >"$scratch/tree/closed/file" && ln -s file "$scratch/tree/closed/link"
touch -d 2001-02-03T04:05:06 "$scratch/tree/closed/file" "$scratch/tree/closed"
chmod 500 "$scratch/tree/closed"
pack "$scratch/tree" -o "$scratch/tree.quire"
chmod 755 "$scratch/tree" && chmod 644 "$scratch/tree.quire"
modes() { (cd "$1" && find . ! -type l -printf '%p %m\n' | sort); }  # no newlines in names
# As tar has them without -p: no set-user-ID, set-group-ID and sticky bits, and umask.
cut_modes() { modes "$1" | python3 -c 'import sys
for line in sys.stdin:
    path, mode = line.rsplit(" ", 1)
    print(path, format(int(mode, 8) & 0o777 & ~int(sys.argv[1], 8), "o"))' "$2"; }

make_ordinary_user
umask 027
as_user "$user_quire" extract "$scratch/tree.quire" -C "$user_home/mine" || fail 'extracting as an ordinary user'
umask 022
if is_root; then
  assert_equal "$(find "$user_home/mine" ! -user "$user" -print)" ''
  same_content "$scratch/tree" "$user_home/mine"
  diff <(cut_modes "$scratch/tree" 027) <(modes "$user_home/mine") || fail 'modes of an ordinary user'
  same_xattrs "$scratch/tree" "$user_home/mine"
  assert_equal "$(stat -c %Y "$user_home/mine/closed")" "$(stat -c %Y "$scratch/tree/closed")"
  # Set-user-ID bits are for the owner that the pack says, and nobody else.
  as_user "$user_quire" extract "$scratch/tree.quire" --same-permissions -C "$user_home/as packed" || fail 'with --same-permissions'
  packed=$user_home/as\ packed/modes
  assert_equal "$(stat -c %a "$packed/file 4755" "$packed/file 1644" "$packed/file 0777" | tr '\n' ' ')" '755 1644 777 '
  # Asked for in words, what cannot be had is a failure, and costs no file all the same.
  assert_exit 1 as_user "$user_quire" extract "$scratch/tree.quire" --same-owner -C "$user_home/given away"
  assert_says 'owners of [0-9]* entries' 'not permitted'
  same_content "$scratch/tree" "$user_home/given away"

  # Root, with other wishes than usual.
  quire extract "$scratch/tree.quire" --no-same-owner --no-same-permissions -C "$scratch/cut" || fail '--no-same-owner'
  assert_equal "$(find "$scratch/cut" ! -user root -print)" ''
  diff <(cut_modes "$scratch/tree" 022) <(modes "$scratch/cut") || fail '--no-same-permissions'
  # Whatever umask is, modes are as packed.
  (umask 077 && quire extract "$scratch/tree.quire" -C "$scratch/whole") || fail 'with umask 077'
  assert_same_tree "$scratch/tree" "$scratch/whole"
  # A folder that hands on its group, and default access lists, change nothing.
  mkdir "$scratch/inherited" && chgrp 4321 "$scratch/inherited" && chmod 2755 "$scratch/inherited"
  quire extract "$scratch/tree.quire" -C "$scratch/inherited" || fail 'in a set-group-ID folder'
  (cd "$scratch/inherited" && chmod u-s,g-s . && chown root:root . && touch -r "$scratch/tree" .)
  same_metadata "$scratch/tree" "$scratch/inherited"
else
  same_content "$scratch/tree" "$user_home/mine"
fi

# Root that may not give files away: in a user namespace, or without the capability.
assert_kept() {
  assert_says 'owners of [0-9]* entries' 'no-same-owner'
  (cd "$scratch/tree" && find . ! -type d | sort) | diff - <(cd "$1" && find . ! -type d | sort) || fail "files of $1 are lost"
  assert_equal "$(find "$1" -perm /6000 ! -user root -print)" ''
}
if is_root; then
  if unshare -Ur true 2>/dev/null; then
    assert_exit 0 unshare -Ur "$QUIRE" extract "$scratch/tree.quire" -C "$scratch/namespace"
    assert_kept "$scratch/namespace"
    assert_exit 0 unshare -Ur "$QUIRE" extract "$scratch/tree.quire" --no-same-owner -C "$scratch/quiet namespace"
    assert_equal "$output" ''
  else
    leave_out 'there are no user namespaces'
  fi
  # without CAPABILITIES DIR: extracts as root that lacks them.
  without() { setpriv --bounding-set "$1" --inh-caps "$1" "$QUIRE" extract "$scratch/tree.quire" -C "$2"; }
  assert_exit 0 without -chown,-dac_override "$scratch/no capability"
  assert_kept "$scratch/no capability"
  # One that may, but whom modes and owners bind afterwards.
  assert_exit 0 without -dac_override,-dac_read_search "$scratch/bound"
  assert_same_tree "$scratch/tree" "$scratch/bound"

  # A file system without extended attributes keeps the files.
  mkdir "$scratch/ramfs"
  if mount -t ramfs none "$scratch/ramfs" 2>/dev/null; then
    mounts+=("$scratch/ramfs")
    assert_exit 0 quire extract "$scratch/tree.quire" -C "$scratch/ramfs/out"
    assert_says 'extended attributes of [0-9]* entries' 'not supported'
    same_content "$scratch/tree" "$scratch/ramfs/out"
    diff <(modes "$scratch/tree") <(modes "$scratch/ramfs/out")
    umount "$scratch/ramfs"
  else
    leave_out 'no ramfs can be mounted'
  fi
fi
pass
