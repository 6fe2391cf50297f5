#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount begins when the command returns, ends by umount or a signal, and says clearly why it cannot begin or end.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

pack=$scratch/tree.quire
mnt=$scratch/mnt
make_samples "$scratch/tree" 2 10 1000
pack "$scratch/tree" -o "$pack"
mounts+=("$mnt")
mkdir "$mnt"

# The command returns when the mount answers, and leaves no standard stream or working directory held.
cd "$mnt/.."
output=$(quire mount "$pack" "$mnt" 2>&1)  # would wait for ever if the daemon kept its standard output
cmp "$scratch/tree/000/00000.bin" "$mnt/000/00000.bin"
daemon=$(daemon_of "$pack")
assert_equal "$(readlink "/proc/$daemon/cwd")" / 'working directory of the daemon'
findmnt_line=$(grep -F " $mnt " /proc/self/mountinfo)
[[ $findmnt_line == *' ro,'* && $findmnt_line == *quire* ]] || fail "mounted as: $findmnt_line"

# Busy: a message, and the mount stays.
exec 9<"$mnt/000/00000.bin"
assert_exit 1 quire umount "$mnt"
assert_says 'in use' "(process $$)" 'umount --lazy'
is_mounted "$mnt" || fail 'a busy mount was taken away'
exec 9<&-
assert_exit 0 quire umount "$mnt"
! is_mounted "$mnt" || fail 'still mounted'
until_true 10 gone "$daemon" || fail 'the daemon outlives its mount'
assert_exit 1 quire umount "$mnt"
assert_says 'not mounted\|no mount\|nothing is mounted\|not a mount'

# --lazy takes a busy mount away from all who come later; who has it open reads on, and then the daemon ends.
mount_pack "$pack" "$mnt"
daemon=$(daemon_of "$pack")
exec 9<"$mnt/000/00002.bin"
(cd "$mnt" && assert_exit 1 quire umount "$mnt" && assert_says 'in use') || fail 'a working directory does not make it busy'
assert_exit 0 quire umount --lazy "$mnt"
! is_mounted "$mnt" || fail 'still mounted'
! gone "$daemon" || fail 'the daemon ended before its last user'
cmp "$scratch/tree/000/00002.bin" - <&9
exec 9<&-
until_true 10 gone "$daemon" || fail 'the daemon outlives its last user'

# A second mount at the same place would hide the first.
mount_pack "$pack" "$mnt"
assert_exit 1 quire mount "$pack" "$mnt"
assert_says 'already' 'quire umount'
assert_exit 1 quire mount -o subdir=000 "$pack" "$mnt"
cmp "$scratch/tree/001/00009.bin" "$mnt/001/00009.bin"
umount_pack "$mnt"

# 'quire PACK DIR' is what fstab's type 'fuse' makes of it.
assert_exit 0 quire "$pack" "$mnt" -o ro,subdir=001
cmp "$scratch/tree/001/00009.bin" "$mnt/00009.bin"
umount_pack "$mnt"
assert_exit 2 quire mont "$pack" "$mnt"  # a typing error is none

# Mount, umount and mount again at once.
for _ in 1 2 3; do
  mount_pack "$pack" "$mnt"
  cmp "$scratch/tree/001/00009.bin" "$mnt/001/00009.bin"
  umount_pack "$mnt"
done

# By relative paths.
(cd "$scratch" && quire mount tree.quire mnt && cmp tree/000/00001.bin mnt/000/00001.bin && quire umount mnt) || fail 'relative paths'

# Two mounts of one pack, and the pack removed meanwhile.
mkdir "$scratch/second" && cp "$pack" "$scratch/copy.quire"
mount_pack "$scratch/copy.quire" "$mnt"
mount_pack "$scratch/copy.quire" "$scratch/second"
rm "$scratch/copy.quire"
diff -r "$scratch/tree" "$mnt"
umount_pack "$mnt"
diff -r "$scratch/tree" "$scratch/second"
umount_pack "$scratch/second"

# -f stays in the foreground; SIGTERM, SIGINT, SIGHUP and SIGQUIT end it in order.
for signal in TERM INT HUP QUIT; do
  env --default-signal=INT,QUIT "$QUIRE" mount -f "$pack" "$mnt" >"$scratch/log" 2>&1 &
  daemon=$!
  background+=("$daemon")
  until_true 10 is_mounted "$mnt" || { cat "$scratch/log"; fail 'mount -f does not mount'; }
  until_true 10 cmp -s "$scratch/tree/000/00000.bin" "$mnt/000/00000.bin" || fail 'mount -f does not answer'
  kill -$signal "$daemon"
  status=0
  wait "$daemon" || status=$?
  [ $status -lt 128 ] || { cat "$scratch/log"; fail "mount -f died of SIG$signal: $status"; }
  ! is_mounted "$mnt" || fail "SIG$signal left the mount"
done

# Whatever the process that starts the daemon has blocked or ignored, SIGTERM ends it in order.
for inherited in --block-signal=USR1 --ignore-signal=USR1 --block-signal=TERM --ignore-signal=CHLD --ignore-signal=PIPE; do
  env --default-signal=INT "$inherited" "$QUIRE" mount -f "$pack" "$mnt" >"$scratch/log" 2>&1 &
  daemon=$!
  background+=("$daemon")
  until_true 10 cmp -s "$scratch/tree/000/00000.bin" "$mnt/000/00000.bin" || { cat "$scratch/log"; fail "started with $inherited it does not answer"; }
  kill -TERM "$daemon"
  until_true 10 gone "$daemon" || fail "started with $inherited the daemon does not end"
  status=0
  wait "$daemon" || status=$?
  assert_equal $status 0 "exit status of a daemon that was started with $inherited"
  ! is_mounted "$mnt" || fail "started with $inherited it left the mount"
done

# SIGTERM takes away its own mount only: one that lies there by now stays.
env --default-signal=INT "$QUIRE" mount -f "$pack" "$mnt" >"$scratch/log" 2>&1 &
daemon=$!
background+=("$daemon")
until_true 10 cmp -s "$scratch/tree/000/00000.bin" "$mnt/000/00000.bin" || { cat "$scratch/log"; fail 'mount -f does not answer'; }
exec 9<"$mnt/000/00001.bin"
assert_exit 0 quire umount --lazy "$mnt"
mount_pack "$pack" "$mnt" -o subdir=001
kill -TERM "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon of a detached mount does not end'
wait "$daemon" || fail 'the daemon of a detached mount fails'
exec 9<&-
cmp "$scratch/tree/001/00009.bin" "$mnt/00009.bin" || fail 'SIGTERM took the mount of another daemon away'
umount_pack "$mnt"

# A killed daemon leaves a dead mount, which umount clears away, and mount mounts over in its place.
mount_pack "$pack" "$mnt"
daemon=$(daemon_of "$pack")
kill -KILL "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not die'
assert_fails stat "$mnt/000"
assert_says 'not connected\|connection abort'  # the latter where the death of a daemon with rings is a moment ago
assert_exit 0 quire umount "$mnt"
! is_mounted "$mnt" || fail 'the dead mount is still there'
mount_pack "$pack" "$mnt"
umount_pack "$mnt"

# Options.
mount_pack "$pack" "$mnt" -o ro,noatime
umount_pack "$mnt"
assert_fails quire mount -o no_such_option "$pack" "$mnt"
assert_says no_such_option
! is_mounted "$mnt" || fail 'mounted in spite of an unknown option'
assert_fails quire mount -o rw "$pack" "$mnt"

# What cannot be mounted: the message names it, and no daemon stays.
assert_exit 1 quire mount "$scratch/none.quire" "$mnt"
assert_says none.quire 'no such file'
assert_exit 1 quire mount "$pack" "$scratch/none"
assert_says "$scratch/none" 'no such file\|does not exist'
assert_exit 1 quire mount "$pack" "$scratch/tree/000/00000.bin"
assert_says 00000.bin
head -c 10000 /dev/zero >"$scratch/bad.quire"
assert_exit 1 quire mount "$scratch/bad.quire" "$mnt"
assert_says bad.quire 'not a quire pack'
! pgrep -f -- "quire mount .*$scratch" >/dev/null || fail 'a failed mount left a daemon'

# Without /dev/fuse, in a mount namespace of its own.
namespace=(unshare -m)
is_root || namespace=(unshare -rm)
if "${namespace[@]}" true 2>/dev/null; then
  # shellcheck disable=SC2016  # for the inner shell
  assert_exit 1 "${namespace[@]}" bash -c '
    set -e
    mkdir "$1/dev" && mount -t tmpfs none "$1/dev"
    touch "$1/dev/null" && mount --bind /dev/null "$1/dev/null" && mount --rbind "$1/dev" /dev
    exec "$2" mount "$3" "$4"' - "$scratch" "$QUIRE" "$pack" "$mnt"
  assert_says /dev/fuse
else
  leave_out 'no /dev/fuse: mount namespaces are not allowed here'
fi
pass
