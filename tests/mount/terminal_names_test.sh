#!/bin/bash
# Goal: no name of a pack, a file or a mount steers the terminal of who runs a command, and programs still get it as it is.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

# Red letters by C0 and by C1, a title, a line of its own, text from right to left, bytes that are no UTF-8.
hostile=$'a\x1b[31m\xc2\x9b31m\x1b]0;title\x07\nroot: ok\xe2\x80\xaegnp\xff'
escaped='a\\x1b\[31m\\xc2\\x9b31m\\x1b]0;title\\x07\\nroot: ok\\xe2\\x80\\xaegnp\\xff'
tree=$scratch/tree
pack=$scratch/$hostile.quire
mkdir -p "$tree/$hostile"
echo sample >"$tree/$hostile/$hostile" && ln -s "$hostile" "$tree/link"
pack "$tree" -o "$pack"

# is_fit FILE: all of it is what a terminal prints and does nothing else about, but for the line of progress.
is_fit() {
  python3 - "$1" <<'PYTHON'
import sys, unicodedata
text = open(sys.argv[1], 'rb').read().replace(b'\r\n', b'\n').replace(b'\r\x1b[K', b'').decode()
wrong = {c for c in text if c != '\n' and (unicodedata.category(c) in ('Cc', 'Zl', 'Zp') or
         unicodedata.bidirectional(c) in ('LRE', 'RLE', 'PDF', 'LRO', 'RLO', 'LRI', 'RLI', 'FSI', 'PDI'))}
sys.exit(f'{sys.argv[1]}: {wrong}' if wrong else 0)
PYTHON
}
# on_terminal COMMAND...: its standard output and error are a terminal, whose bytes are in $scratch/seen.
on_terminal() {
  python3 - "$scratch/seen" "$@" <<'PYTHON' || true
import os, pty, sys
with open(sys.argv[1], 'wb') as seen:
    def read(fd):
        data = os.read(fd, 65536)
        seen.write(data)
        return data
    pty.spawn(sys.argv[2:], read, lambda fd: b'')
PYTHON
}
expect_fit() {
  on_terminal "$QUIRE" "$@" >/dev/null
  is_fit "$scratch/seen" || fail "quire $* steers the terminal"
  [ -s "$scratch/seen" ] || fail "quire $* prints nothing"
}

# Listings and summaries.
for form in '' -l -R -lR --tree --json; do
  # shellcheck disable=SC2086  # no word where there is none
  expect_fit ls $form "$pack"
done
expect_fit ls -R "$pack" "$hostile"
expect_fit info "$pack"
expect_fit info --json "$pack"
expect_fit verify "$pack"
expect_fit diff "$pack" "$tree"
expect_fit pack "$tree" -o "$scratch/other $hostile"

# Messages, on a terminal and elsewhere.
expect_message() {
  output_file=$scratch/message
  "$QUIRE" "$@" >/dev/null 2>"$output_file" && fail "quire $*: done"
  is_fit "$output_file" || fail "quire $* steers the terminal"
  grep -qa "$escaped" "$output_file" || fail "quire $* does not say the name: $(cat -v "$output_file")"
  assert_equal "$(head -n 1 "$output_file" | grep -ca "$escaped")" 1 "the first line of quire $*"
}
expect_message ls "$scratch/$hostile"
expect_message ls "$pack" "none $hostile"
expect_message cat "$pack" "$hostile"
expect_message cat "$pack" "none $hostile"
expect_message info "$pack" "$hostile"
expect_message "$hostile"
expect_message ls "--$hostile"
expect_message pack "$tree/$hostile" -o "$pack"
expect_message pack "$tree/$hostile/$hostile" -o "$scratch/new"
expect_message extract "$pack" "none $hostile" -C "$scratch/extracted"
expect_message diff "$pack" "$scratch/$hostile"
expect_message umount "$tree/$hostile"
expect_message umount "none $hostile"
expect_message mount "$pack" "none $hostile"
expect_message mount "$pack" "$tree" -o "$hostile"
rm -r "${tree:?}/$hostile"
"$QUIRE" diff "$pack" "$tree" >"$scratch/seen" && fail 'no difference'
is_fit "$scratch/seen" || fail 'quire diff steers the terminal'

# What programs get.
assert_equal "$(quire ls "$pack" "$hostile")" "$hostile"
assert_equal "$(quire ls --tree "$pack" "$hostile" | sed -n '3,4p')" "$(printf '└── %s' "$hostile")"
quire ls -0 "$pack" | cmp - <(printf '%s\0' "$hostile" link)
on_terminal "$QUIRE" ls -0 "$pack" "$hostile" >/dev/null
assert_equal "$(tr -d '\0\r' <"$scratch/seen")" "$hostile" 'ls -0 on a terminal'

# A line of a log is a line.
if [ -w /dev/fuse ]; then
  mkdir "$scratch/mnt"
  expect_message mount "$pack" "$scratch/mnt" -o "subdir=$hostile/$hostile"
  mount_pack "$pack" "$scratch/mnt" -o log_file="$scratch/log",log_level=debug
  quire mounts | grep -qa "$escaped" || fail 'quire mounts prints names as they are'
  umount_pack "$scratch/mnt"
  is_fit "$scratch/log" || fail "the log: $(cat -v "$scratch/log")"
  ! grep -v '^[0-9-]* [0-9:.]* quire\[' "$scratch/log" || fail 'a name began a line of the log'
else
  leave_out '/dev/fuse is not there, or not for this user: the log'
fi
pass
