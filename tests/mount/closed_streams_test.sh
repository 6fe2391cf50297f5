#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: commands that are started with standard streams closed work as with /dev/null, and write into no file of theirs.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir "$scratch/tree" "$scratch/mnt"
for i in {1..40}; do echo "sample $i" >"$scratch/tree/$i"; done
pack "$scratch/tree" -o "$scratch/tree.quire"
cp "$scratch/tree.quire" "$scratch/before.quire"
cd "$scratch"
mounts+=("$scratch/mnt")

# closed STREAMS COMMAND...: with these closed, and for no longer than it should take.
closed() {
  local redirections=$1
  shift
  bash -c "exec $redirections; exec timeout -k 1 20 \"\$@\"" - "$@"
}

for streams in '<&-' '>&-' '2>&-' '<&- >&-' '>&- 2>&-' '<&- >&- 2>&-'; do
  closed "$streams" "$QUIRE" mount tree.quire mnt >said 2>&1 || { cat said; fail "quire mount with $streams: status $?"; }
  diff -r tree mnt || fail "a mount that was made with $streams does not show the tree"
  closed "$streams" "$QUIRE" umount mnt >said 2>&1 || { cat said; fail "quire umount with $streams: status $?"; }
  ! is_mounted "$scratch/mnt" || fail "quire umount with $streams left the mount"

  rm -rf new.quire out
  closed "$streams" "$QUIRE" pack tree -o new.quire >said 2>&1 || { cat said; fail "quire pack with $streams: status $?"; }
  cmp new.quire before.quire || fail "quire pack with $streams made another pack"
  closed "$streams" "$QUIRE" extract new.quire -C out >said 2>&1 || { cat said; fail "quire extract with $streams: status $?"; }
  diff -r tree out || fail "quire extract with $streams gave other files"
  for words in 'ls -R new.quire' 'cat new.quire 1' 'info new.quire' 'verify new.quire' 'diff new.quire tree' mounts help 'bench --help'; do
    # shellcheck disable=SC2086  # several words
    closed "$streams" "$QUIRE" $words >said 2>&1 || { cat said; fail "quire $words with $streams: status $?"; }
  done
  cmp new.quire before.quire || fail "a command with $streams wrote into the pack"
done

# In the foreground, as a supervisor may start it.
closed '<&- >&- 2>&-' "$QUIRE" mount -f tree.quire mnt &
background+=($!)
until_true 10 cmp -s tree/7 mnt/7 || fail 'mount -f with closed streams does not answer'
umount_pack "$scratch/mnt"
wait $! || fail 'mount -f with closed streams fails'
pass
