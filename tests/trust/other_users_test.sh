#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: what one user packs and mounts, another user of the machine neither controls, takes away, reads beyond what was
# allowed, nor leads elsewhere by links that lie in wait.

# Root lets everybody open /dev/fuse and use allow_other, seen by this test only.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -z "${own_fuse-}" ] && unshare -m true 2>/dev/null; then
  own_fuse=yes exec unshare -m bash -c 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse
    echo user_allow_other >/mnt/fuse.conf && chmod 644 /mnt/fuse.conf
    [ ! -e /etc/fuse.conf ] || mount --bind /mnt/fuse.conf /etc/fuse.conf; exec "$0"' "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'needs root, to be two other users'
make_ordinary_user
other=other-$user
useradd --system --no-create-home "$other" 2>/dev/null || skip 'cannot make a second user'
users+=("$other")
as_other() { runuser -u "$other" -- "$@"; }
# stay_as_other COMMAND...: in the background, until the test kills $attacker.
stay_as_other() {
  (exec setpriv --reuid "$other" --regid "$other" --init-groups "$@") &
  attacker=$!
  background+=($attacker)
  disown
}

make_samples "$scratch/tree" 2 20 3000
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt
# A folder that everybody may write to, without the sticky bit, so that no sysctl of the kernel (fs.protected_*) guards it.
shared=$scratch/shared
mkdir -m 777 "$shared"
echo precious >"$scratch/precious"
precious_is_whole() { [ "$(cat "$scratch/precious")" = precious ] || fail "$1: a file that a link led to has changed"; }

# Control files are for who mounted, and for root; with control=all for everybody who may use the mount.
as_user mkdir "$user_home/mnt"
mounts+=("$user_home/mnt")
chmod 755 "$user_home"
if grep -qx user_allow_other /etc/fuse.conf 2>/dev/null; then
  as_user "$user_quire" mount -o allow_other "$scratch/tree.quire" "$user_home/mnt" || fail 'mounting with allow_other'
  as_other cat "$user_home/mnt/000/00000.bin" | cmp - "$scratch/tree/000/00000.bin" || fail 'allow_other lets nobody in'
  for action in 'cat "$1/stats"' 'echo >"$1/plan"' 'ls "$1"' 'stat "$1/stats"'; do
    assert_fails timeout 10 runuser -u "$other" -- bash -c "$action" - "$user_home/mnt/.quire"
    assert_says 'permission denied'
  done
  json 'd["schema"]' <"$user_home/mnt/.quire/stats" >/dev/null || fail 'root cannot read the figures'
  as_user cat "$user_home/mnt/.quire/stats" | json 'd["schema"]' >/dev/null || fail 'who mounted cannot read the figures'
  as_user "$user_quire" umount "$user_home/mnt"
else
  leave_out 'no allow_other by ordinary users: there is no /etc/fuse.conf'
fi

# A mount is taken away by who mounted, and by root. (`quire umount --all` takes one's own.)
mount_pack "$scratch/tree.quire" "$mnt" -o allow_other,control=all
as_user "$user_quire" mount "$scratch/tree.quire" "$user_home/mnt" || fail 'mounting'
for place in "$mnt" "$user_home/mnt"; do
  for command in "'$user_quire' umount" "'$user_quire' umount --lazy" 'fusermount3 -u' umount; do
    assert_fails runuser -u "$other" -- bash -c "$command '$place'"
    is_mounted "$place" || fail "another user took the mount away by $command"
  done
done
assert_exit 0 as_other "$user_quire" umount --all
is_mounted "$mnt" && is_mounted "$user_home/mnt" || fail "umount --all took another's mount"
# Nor are the processes of a mount stopped, looked into or led by others.
for process in $(daemon_of_mount "$user_home/mnt") $(daemon_of_mount "$mnt"); do
  for command in "kill -TERM $process" "cat /proc/$process/environ" "ls /proc/$process/fd"; do
    assert_fails runuser -u "$other" -- bash -c "$command"
  done
done
as_user "$user_quire" umount "$user_home/mnt"

# What a plan may cost is bounded, whoever writes it and however long.
rss_kib() { awk '$1 == "VmRSS:" {print $2}' "/proc/$daemon/status"; }
daemon=$(daemon_of_mount "$mnt")
before=$(rss_kib)
as_other timeout "$(trust_seconds 3)" bash -c 'yes "$(printf "000/%05d.bin\n" 0 1 2 3; printf "no/such\n")" >"$1"' - "$mnt/.quire/plan" || true
[ $(($(rss_kib) - before)) -lt $((160 << 10)) ] || fail "a plan without an end: $before KiB became $(rss_kib)"
cmp "$scratch/tree/001/00001.bin" "$mnt/001/00001.bin" || fail 'a plan of another user harms a read'
umount_pack "$mnt"

# What lies in wait where a log is to be made: a link, a hard link, a pipe, a file of the attacker's own, which others
# could read. The log is not written to any of them, at the start and when it is opened anew.
as_other touch "$shared/bait"
for plant in 'ln -s "$2" "$1/log"' 'mkfifo "$1/log"' 'cp "$1/bait" "$1/log"' 'ln "$1/bait" "$1/log"' 'mkdir "$1/log"'; do
  rm -rf "$shared/log"
  as_other bash -c "$plant" - "$shared" "$scratch/precious"
  assert_exit 1 timeout -k 1 20 "$QUIRE" mount -o "log_file=$shared/log" "$scratch/tree.quire" "$mnt"
  ! is_mounted "$mnt" || fail "mounted after: $plant"
  rm -rf "$shared/log"
  mount_pack "$scratch/tree.quire" "$mnt" -o "log_file=$shared/log"
  mv "$shared/log" "$scratch/log.1"
  as_other bash -c "$plant" - "$shared" "$scratch/precious"
  kill -HUP "$(daemon_of_mount "$mnt")"
  until_true 10 grep -q 'not opened anew' "$scratch/log.1" || fail "opened anew after: $plant"
  umount_pack "$mnt"
done
precious_is_whole 'log_file'
assert_equal "$(cat "$shared/bait")" '' "what a file of another user's was given"

# A pack that replaces a file follows no link of another user's.
replace() { as_user "$user_quire" pack --progress never --force "$scratch/tree" -o "$shared/out.quire" 2>&1; }
chown "$user" "$scratch/precious"
as_other ln -s "$scratch/precious" "$shared/out.quire"
assert_exit 1 replace
assert_says 'symlink of another user'
precious_is_whole 'pack --force'
rm "$shared/out.quire"
as_user ln -s "$user_home/led-to.quire" "$shared/out.quire"
as_user touch "$user_home/led-to.quire"
replace >/dev/null || fail 'a link of their own is not followed'
quire verify "$user_home/led-to.quire" >/dev/null || fail 'a link of their own is not followed'
rm "$shared/out.quire"

# Races: another user plants and takes away, as fast as a shell can, while commands run. As they come, they may fail; the
# file that the links lead to stays whole, and nothing of the attacker's is written to.
stay_as_other bash -c '
  cd "$1"
  while true; do
    for name in log out.quire; do
      ln -sfn "$2" $name; ln -f bait $name; rm -f $name; mkfifo $name; mv -f $name gone; rm -f gone
    done
    for name in .quire-*; do [ ! -e "$name" ] || ln -sf "$2" "$name"; done
  done' - "$shared" "$scratch/precious" 2>/dev/null
packs=0 logs=0
end=$((SECONDS + $(trust_seconds 8)))
while [ $SECONDS -lt $end ]; do
  replace >/dev/null || true
  packs=$((packs + 1))
  precious_is_whole 'a race with pack --force'
  if timeout -k 1 20 "$QUIRE" mount -o "log_file=$shared/log" "$scratch/tree.quire" "$mnt" 2>/dev/null; then
    kill -HUP "$(daemon_of_mount "$mnt")"
    umount_pack "$mnt"
  fi
  logs=$((logs + 1))
  precious_is_whole 'a race with log_file'
done
kill -KILL "$attacker"
assert_equal "$(cat "$shared/bait")" '' "what a file of another user's was given in a race"
tally $packs 'packs written where another user plants links'
tally $logs 'logs opened where another user plants links'

# Names of sockets that another user holds are not believed, and keep nobody waiting.
stay_as_other python3 -c '
import socket, time
held = []
for number in range(1, 400):
    held.append(socket.socket(socket.AF_UNIX))
    try: held[-1].bind(f"\0quire/mount/0:{number}")
    except OSError: pass
print("held", flush=True)
time.sleep(100)' >"$scratch/held"
until_true 20 grep -q held "$scratch/held"
mkdir -p "$mnt"
timeout 30 "$QUIRE" mount "$scratch/tree.quire" "$mnt" || fail 'names that another user holds keep a mount from being made'
cmp "$scratch/tree/001/00001.bin" "$mnt/001/00001.bin"
timeout 30 "$QUIRE" umount "$mnt" || fail 'names that another user holds keep a mount from being taken away'
kill -KILL "$attacker"
pass
