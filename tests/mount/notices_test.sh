#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: what is no error and yet most likely a mistake gets one sentence, and all that cannot be packed is named at once.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

# What is left out is named by -v.
mkdir -p "$scratch/tree/folder/cache"
echo x >"$scratch/tree/folder/file" && echo y >"$scratch/tree/folder/cache/entry" && echo z >"$scratch/tree/a.tmp"
mkfifo "$scratch/tree/folder/pipe"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$scratch/tree/socket"
assert_exit 0 quire pack "$scratch/tree" -o "$scratch/out.quire" -v --progress never --exclude '*.tmp' --exclude cache
assert_says '^quire pack: folder/pipe: left out: a FIFO$' '^quire pack: socket: left out: a socket$' \
  '^quire pack: a.tmp: left out: excluded$' '^quire pack: folder/cache: left out: excluded$'
assert_exit 0 quire pack "$scratch/tree" -o "$scratch/out.quire" --force --progress never
! grep -q pipe <<<"$output" || fail "named without -v: $output"

# A pattern that matches what another one has taken is told as such.
assert_exit 0 quire pack "$scratch/tree" -n --progress never --exclude folder --exclude folder/cache
assert_says "^quire pack: --exclude 'folder/cache' matches nothing that the others leave$"

# A target that is no file: a pipe by its name in /dev or /proc, a folder that nobody can make; no /proc.
assert_exit 1 bash -c '"$1" pack "$2" -o /dev/stdout | cat; exit "${PIPESTATUS[0]}"' - "$QUIRE" "$scratch/tree"
assert_says '^quire pack: /dev/stdout: is not a regular file, and only those are replaced; name another$'
assert_exit 1 quire extract "$scratch/out.quire" -C /proc/new
assert_says '^quire extract: /proc/new: no folder can be made there$'
if is_root && unshare --mount true 2>/dev/null; then
  # shellcheck disable=SC2016
  assert_exit 1 unshare --mount bash -c 'mount -t tmpfs none /proc && exec "$@"' - "$QUIRE" pack -n "$scratch/tree"
  assert_says '^quire pack: extended attributes cannot be read, since /proc is not mounted$'
else
  leave_out 'only root may hide /proc'
fi

# An empty folder, and the mount point of something that is not mounted.
mkdir "$scratch/empty"
assert_exit 0 quire pack "$scratch/empty" -o "$scratch/out.quire" --force
assert_says "^quire pack: '$scratch/empty' is empty"
assert_exit 0 quire pack "$scratch/empty" -o "$scratch/out.quire" --force --quiet
assert_equal "$output" '' 'what --quiet says'
if is_root && unshare --mount true 2>/dev/null; then
  printf '# comment\n/dev/none none swap sw 0 0\nnode:/share %s nfs ro 0 0\n' "$scratch/tree" >"$scratch/fstab"
  # shellcheck disable=SC2016  # for the inner shell
  in_fstab() { unshare --mount bash -c 'mount --bind "$1" /etc/fstab && shift && exec "$@"' - "$scratch/fstab" "$@"; }
  [ -e /etc/fstab ] || leave_out 'there is no /etc/fstab to hide'
  if [ -e /etc/fstab ]; then
    assert_exit 0 in_fstab "$QUIRE" pack "$scratch/tree" -o "$scratch/out.quire" --force
    assert_says "^quire pack: '$scratch/tree' is a mount point of /etc/fstab, for 'node:/share', and nothing is mounted there"
    # shellcheck disable=SC2016
    assert_exit 0 in_fstab bash -c 'mount -t tmpfs none "$2" && echo x >"$2/file" && "$1" pack "$2" -o "$3" --force' - \
      "$QUIRE" "$scratch/tree" "$scratch/out.quire"
    ! grep -q fstab <<<"$output" || fail "mounted, and yet: $output"
  fi
else
  leave_out 'only root may hide /etc/fstab'
fi

# All that cannot be read is named in the first run, whether the scan finds it or the packing does.
make_ordinary_user
unreadable=$user_home/unreadable
mkdir -p "$unreadable"/{a,closed,z}
for name in a/first a/second z/third z/fourth; do echo x >"$unreadable/$name"; done
random_bytes 5000000 big >"$unreadable/b"
if is_root; then chown -R "$user:" "$unreadable"; fi
chmod 000 "$unreadable"/{a/first,z/third,z/fourth}
as_user "$user_quire" pack "$unreadable" -o "$user_home/none.quire" >"$scratch/log" 2>&1 && fail 'packed what cannot be read'
for name in a/first z/third z/fourth; do grep -q "^quire pack: $name: " "$scratch/log" || fail "$name is not named: $(cat "$scratch/log")"; done
grep -q '3 entries could not be read; nothing was written (--skip-unreadable' "$scratch/log" || fail "$(cat "$scratch/log")"
[ ! -e "$user_home/none.quire" ] || fail 'a pack in spite of unreadable files'
chmod 000 "$unreadable/closed"
as_user "$user_quire" pack "$unreadable" -o "$user_home/none.quire" >"$scratch/log" 2>&1 && fail 'packed what cannot be read'
for name in closed a/first z/third z/fourth; do grep -q "^quire pack: $name: " "$scratch/log" || fail "$name is not named: $(cat "$scratch/log")"; done
grep -q '^quire pack: closed: [^/]*: Permission denied$' "$scratch/log" || fail "a path is told twice: $(cat "$scratch/log")"
grep -q '4 entries could not be read' "$scratch/log" || fail "$(cat "$scratch/log")"
chmod 700 "$unreadable/closed"

# Mounting over a folder that is not empty hides what lies in it.
[ -e /dev/fuse ] || { leave_out 'mounts: there is no /dev/fuse'; pass; }
mnt=$scratch/mnt
mkdir "$mnt" && echo hidden >"$mnt/hidden"
mounts+=("$mnt")
ln -s "$QUIRE" "$scratch/mount.quire"
for command in quire "$scratch/mount.quire"; do
  words=("$command")
  [ "$command" != quire ] || words+=(mount)
  assert_exit 0 "${words[@]}" "$scratch/out.quire" "$mnt" -o ro
  assert_says "^$(basename "${words[*]}"): '$mnt' is not empty: what lies in it is hidden while the pack is mounted$"
  umount_pack "$mnt"
done
rm "$mnt/hidden"
assert_exit 0 quire mount "$scratch/out.quire" "$mnt"
! grep -q empty <<<"$output" || fail "an empty mount point: $output"

# A mount whose daemon has died is replaced, in a sentence.
kill -KILL "$(daemon_of_mount "$mnt")"
until_true 10 eval "! ls '$mnt' 2>/dev/null"
assert_exit 0 quire mount "$scratch/out.quire" "$mnt"
assert_says "^quire mount: '$mnt': takes the place of a mount of '$scratch/out.quire' whose daemon has died$"
umount_pack "$mnt"
pass
