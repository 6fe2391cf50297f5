#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an extraction that is killed at any step and continued by --skip-existing leaves what one leaves that nothing
# stopped: modes, owners, times and attributes of all folders, the top included.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
strace -qq -o /dev/null true 2>/dev/null || skip 'strace is not allowed here'

# Modes that keep their owner out, that hand on a group, that are open to all; each folder with a file and attributes.
make_samples "$scratch/tree" 4 5 3000
for mode in 0500 0555 0700 0775 1777 2755 3770; do
  mkdir -p "$scratch/tree/003/mode $mode/inner" && echo "$mode" >"$scratch/tree/003/mode $mode/inner/file"
  setfattr -n user.mode -v "$mode" "$scratch/tree/003/mode $mode"
done
setfattr -n user.top -v top "$scratch/tree"
make_ordinary_user
if is_root; then
  chown -R "$user:" "$scratch/tree"
  # Of another owner, who comes back to the user that extracts as an ordinary one.
  cp -a "$scratch/tree" "$scratch/owned" && chown 12345:54321 "$scratch/owned/002"
else
  cp -a "$scratch/tree" "$scratch/owned"
fi
for tree in tree owned; do
  find "$scratch/$tree" -depth -type d -exec touch -d 2001-02-03T04:05:06.123456789 {} +
  for mode in 0500 0555 0700 0775 1777 2755 3770; do chmod "$mode" "$scratch/$tree/003/mode $mode"; done
  chmod 2751 "$scratch/$tree"
  pack "$scratch/$tree" -o "$scratch/$tree.quire"
  chmod 644 "$scratch/$tree.quire"
done

# Root without the capabilities that make modes mean nothing to it.
as_bound_root() { setpriv --bounding-set -dac_override,-dac_read_search --inh-caps -dac_override,-dac_read_search "$@"; }
as_root() { "$@"; }

# Kills an extraction when CALL is made for the COUNTth time, and continues it: by how often it was killed at all.
kill_at() {
  local who=$1 program=$2 pack=$3 owners=$4 to=$5 call=$6 count=$7 status=0
  (
    "$who" strace -f -qq -o /dev/null -e trace="$call" -e inject="$call":signal=KILL:when="$count" \
      "$program" extract "$pack" --same-permissions "$owners" --jobs 1 --progress never --skip-existing -C "$to"
    exit $?  # so that this shell tells of the kill, and nobody hears it
  ) >/dev/null 2>&1 || status=$?
  [ $status -ne 0 ] || return 1
  "$who" "$program" extract "$pack" --same-permissions "$owners" --progress never --skip-existing -C "$to" ||
    fail "continuing what was killed at $call number $count"
}
assert_continues() {
  local who=$1 program=$2 pack=$3 owners=$4 folder=$5 call count kills=0
  "$who" "$program" extract "$pack" --same-permissions "$owners" --progress never -C "$folder/plain" || fail 'a plain extraction'
  for call in mkdir mkdirat linkat fsetxattr fchown fchmod utimensat; do
    for count in 1 2 3 5 8 13 20 24; do
      if kill_at "$who" "$program" "$pack" "$owners" "$folder/continued" $call $count; then
        ((++kills))
        assert_same_tree "$folder/plain" "$folder/continued" || fail "$who: killed at $call number $count"
      fi
      rm -rf "$folder/continued"
    done
  done
  [ $kills -gt 20 ] || fail "$who: only $kills extractions were killed"
  tally $kills 'extractions killed at a system call'
}
if is_root; then
  mkdir "$scratch/root" "$scratch/bound"
  assert_continues as_root "$QUIRE" "$scratch/owned.quire" --same-owner "$scratch/root"
  assert_same_tree "$scratch/owned" "$scratch/root/plain"
  # To whom others' folders would be closed once they are complete.
  assert_continues as_bound_root "$QUIRE" "$scratch/owned.quire" --no-same-owner "$scratch/bound"
fi
assert_continues as_user "$user_quire" "$scratch/tree.quire" --no-same-owner "$user_home"
assert_same_tree "$scratch/tree" "$user_home/plain"

# What a user had there is the user's: of its folders an extraction that continues sets the times only.
chmod -R u+rwx "$user_home" && rm -rf "$user_home/continued"
as_user mkdir -p "$user_home/continued/003/mode 0555" && as_user chmod 711 "$user_home/continued/003/mode 0555"
as_user "$user_quire" extract "$scratch/tree.quire" --same-permissions --skip-existing -q -C "$user_home/continued"
assert_equal "$(stat -c %a "$user_home/continued/003/mode 0555" "$user_home/continued/003/mode 0500")" $'711\n500'
assert_equal "$(getfattr --absolute-names -d "$user_home/continued/003/mode 0555")" ''
chmod -R u+rwx "$user_home"
pass
