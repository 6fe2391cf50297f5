#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever goes wrong while packing (files that change, a full disk, a signal), it is named, the exit status is 1,
# an existing pack stays as it was, and nothing half made is left.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

out=$scratch/out
mkdir "$out"
make_samples "$scratch/small" 2 10 1000
# 400 MB before the files of z: more than the packer holds in memory, so those are read long after the first are written.
make_samples "$scratch/large/a" 4 100 1000000
mkdir "$scratch/large/z"

pack "$scratch/small" -o "$out/kept.quire"
kept=$(sha256sum <"$out/kept.quire")
assert_nothing_new() {
  assert_equal "$(ls -A "$out")" kept.quire "left behind"
  assert_equal "$(sha256sum <"$out/kept.quire")" "$kept" 'the existing pack'
}

# What cannot begin.
assert_exit 1 quire pack "$scratch/small" -o "$out/kept.quire"
assert_says 'kept.quire' '--force'
assert_fails quire pack "$scratch/none" -o "$out/new.quire"
assert_says "$scratch/none"
assert_fails quire pack "$scratch/small/000/00000.bin" -o "$out/new.quire"
assert_exit 1 quire pack "$scratch/small" -o "$out/none/new.quire"
assert_says "$out/none"
assert_exit 1 quire pack "$scratch/small" -o "$out" --force
before=$(find "$scratch/small" -printf '%p %T@\n' | sort)
assert_fails quire pack "$scratch/small" -o "$scratch/small/inside.quire"
assert_says 'inside.quire' '--exclude'
assert_fails quire pack "$scratch/small" -o "$scratch/small/000/inside.quire"
assert_says "--exclude '/000/inside.quire'"  # and no other of that name
(cd "$scratch/small" && assert_fails quire pack . -o inside.quire)
assert_equal "$(find "$scratch/small" -printf '%p %T@\n' | sort)" "$before" 'the source'
assert_nothing_new
mkdir "$scratch/own" && echo x >"$scratch/own/file"
pack "$scratch/own" -o "$scratch/own/inside.quire" --exclude inside.quire
pack "$scratch/own" -o "$scratch/own/inside.quire" --exclude inside.quire --force
assert_equal "$(quire ls "$scratch/own/inside.quire")" file

# start_stopped QUIRE_ARGUMENT...: starts `quire` and stops it amid writing. $packer is its process id.
start_stopped() {
  local try
  for try in {1..5}; do
    # It begins stopped, and runs in steps of a millisecond. A background process of a script ignores SIGINT unless told otherwise.
    bash -c 'kill -STOP $$; exec env --default-signal=INT,XFSZ "$@"' - "$QUIRE" "$@" >"$scratch/log" 2>&1 &
    packer=$!
    background+=("$packer")
    if python3 - "$packer" <<'PYTHON'; then return 0; fi
import os, signal, sys, time
pid = int(sys.argv[1])
def written():  # bytes handed to write calls by all its threads
    with open(f'/proc/{pid}/io') as file: return next(int(line.split()[1]) for line in file if line.startswith('wchar'))
def wait_until_stopped():
    while (state := open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]) != 'T':
        if state == 'Z': sys.exit(1)  # finished already
        time.sleep(0.0002)
try:
    wait_until_stopped()
    while written() < 1 << 20:
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)
        os.kill(pid, signal.SIGSTOP)
        wait_until_stopped()
    sys.exit(written() > 150 << 20)
except (FileNotFoundError, ProcessLookupError, PermissionError):
    sys.exit(1)
PYTHON
    echo "try $try: the packer was stopped too late"
    kill -KILL "$packer" 2>/dev/null || true
    wait "$packer" 2>/dev/null || true
    rm -f "$out/new.quire"
  done
  fail 'the packer could not be stopped amid its work'
}
finish() {
  local status=0
  kill -CONT "$packer"
  wait "$packer" 2>/dev/null || status=$?
  output=$(cat "$scratch/log")
  finished=$status
}

# Signals, for a new pack and for one that replaces another.
unnamed=yes
python3 -c 'import os, sys; os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR)' "$out" 2>/dev/null || unnamed=no
for signal in INT TERM HUP KILL; do
  if [ $signal = KILL ] && [ $unnamed = no ]; then leave_out 'SIGKILL: this file system has no unnamed files'; continue; fi
  for target in new kept; do
    start_stopped pack --progress never --force "$scratch/large" -o "$out/$target.quire"
    kill -$signal "$packer"
    finish
    [ $finished -ne 0 ] || fail "exit status 0 after SIG$signal"
    assert_nothing_new
  done
done

# A full disk: a quota on the length of files, and a small file system.
assert_limit() { (ulimit -f 20000 && trap '' XFSZ && assert_exit 1 quire pack "$scratch/large" "$@" && assert_says 'too large'); }
assert_limit -o "$out/new.quire"
assert_limit -o "$out/kept.quire" --force
assert_nothing_new
if is_root && mkdir "$scratch/full" && mount -t tmpfs -o size=20m quire-test "$scratch/full" 2>/dev/null; then
  mounts+=("$scratch/full")
  cp "$out/kept.quire" "$scratch/full/"
  for target in new kept; do
    assert_exit 1 quire pack --force "$scratch/large" -o "$scratch/full/$target.quire"
    assert_says 'no space left'
    assert_equal "$(ls -A "$scratch/full")" kept.quire 'left behind on the full disk'
    assert_equal "$(sha256sum <"$scratch/full/kept.quire")" "$kept" 'the existing pack on the full disk'
  done
  used=$(df --output=used -B1 "$scratch/full" | tail -n 1)
  [ "$used" -lt 10000000 ] || fail "$used bytes of the full disk are still in use"
else
  leave_out 'the full disk: mounting a tmpfs needs root'
fi

# Files that do not stay as they were found.
spoil() {
  mkdir -p "$scratch/large/z/gone"
  for name in vanish grow shrink change stay gone/below; do random_bytes 100000 $name >"$scratch/large/z/$name"; done
  rm -rf "$scratch/large/z/swapped" "$scratch/outside" "$scratch/other"
  mkdir "$scratch/large/z/swapped" "$scratch/outside"
  for name in swapped/file replace rewrite; do random_bytes 100000 $name >"$scratch/large/z/$name"; done
  random_bytes 100000 outside >"$scratch/outside/file"
  random_bytes 100000 other >"$scratch/other"
  touch -d '2020-01-01' "$scratch"/large/z/* "$scratch/large/z/swapped/file" "$scratch/outside/file" "$scratch/other"
  start_stopped pack --progress never "$scratch/large" -o "$out/new.quire" "$@"
  rm -r "$scratch/large/z/vanish" "$scratch/large/z/gone"
  echo more >>"$scratch/large/z/grow"
  truncate -s 50000 "$scratch/large/z/shrink"
  random_bytes 100000 other >"$scratch/large/z/change"
  # Of equal size and mtime: a file outside behind a symlink, another file, and other bytes in the same file.
  mv "$scratch/large/z/swapped" "$scratch/gone-$#" && ln -s "$scratch/outside" "$scratch/large/z/swapped"
  mv "$scratch/other" "$scratch/large/z/replace"
  random_bytes 100000 other | dd of="$scratch/large/z/rewrite" conv=notrunc status=none
  touch -d '2020-01-01' "$scratch/large/z/rewrite"
  finish
}
spoil
assert_equal $finished 1 'exit status with changing files'
assert_says 'z/\(vanish\|grow\|shrink\|change\|gone\|swapped\|replace\|rewrite\)'
assert_nothing_new
spoil --skip-unreadable
assert_says z/vanish z/grow z/shrink z/change z/gone/below z/swapped/file z/replace z/rewrite
assert_equal "$(list_paths "$out/new.quire" | grep '^z/' | tr '\n' ' ')" 'z/gone z/stay z/swapped ' 'the file that stayed'
quire verify "$out/new.quire" >/dev/null || fail 'the pack without the changing files does not verify'
assert_equal "$(quire cat "$out/new.quire" z/stay | sha256sum)" "$(sha256sum <"$scratch/large/z/stay")"
for name in vanish grow shrink change gone/below swapped/file replace rewrite; do assert_exit 1 quire cat "$out/new.quire" "z/$name"; done
assert_equal $finished 1 'exit status of an incomplete pack'
rm "$out/new.quire"

# Files and folders that cannot be read, which root can read all.
make_ordinary_user
mkdir "$user_home/tree" "$user_home/tree/folder" && echo x >"$user_home/tree/file" && echo y >"$user_home/tree/closed"
echo z >"$user_home/tree/folder/inside"
if is_root; then chown -R "$user:" "$user_home"; fi
chmod 000 "$user_home/tree/closed" "$user_home/tree/folder"
assert_exit 1 as_user "$user_quire" pack "$user_home/tree" -o "$user_home/out.quire"
assert_says '\(closed\|folder\)' 'permission denied'
[ ! -e "$user_home/out.quire" ] || fail 'a pack in spite of unreadable files'
assert_exit 1 as_user "$user_quire" pack "$user_home/tree" -o "$user_home/out.quire" --skip-unreadable
assert_says closed folder 'permission denied'
assert_equal "$(quire cat "$user_home/out.quire" file)" x
assert_exit 1 quire cat "$user_home/out.quire" closed
chmod 700 "$user_home/tree/folder"
pass
