#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a pack is mounted inside a user namespace without any rights outside, and inside a root of its own that has
# little more than the program.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

make_samples "$scratch/tree" 2 10 3000
pack=$scratch/tree.quire
pack "$scratch/tree" -o "$pack"
mkdir "$scratch/mnt"
mkdir -m 1777 "$scratch/for-all"  # whoever mounts

# Root of a user namespace mounts by itself, and with it all goes away.
make_ordinary_user
chmod 755 "$scratch"
if [ "$(stat -c %a /dev/fuse)" = 666 ] || [ "$(id -u)" -ne 0 ]; then as=(as_user); else as=(env); fi  # /dev/fuse of root's alone
if "${as[@]}" unshare -Urm true 2>/dev/null; then
  # shellcheck disable=SC2016  # for the inner shell
  "${as[@]}" unshare -Urm --propagation private bash -c '
    set -e
    "$1" mount "$2" "$3/mnt"
    diff -r "$3/tree" "$3/mnt"
    grep -qF " $3/mnt " /proc/self/mountinfo
    "$1" umount "$3/mnt"
    ! grep -qF " $3/mnt " /proc/self/mountinfo
    # A mount of ours whose daemon was killed is replaced there too.
    "$1" mount -f "$2" "$3/mnt" 2>/dev/null &
    until cmp -s "$3/tree/000/00001.bin" "$3/mnt/000/00001.bin"; do kill -0 $!; sleep 0.02; done
    kill -KILL $!
    wait $! 2>/dev/null || true
    "$1" mount "$2" "$3/mnt" 2>"$4/said" || { cat "$4/said"; exit 1; }
    diff -r "$3/tree" "$3/mnt"
    "$1" umount "$3/mnt"' - "$user_quire" "$pack" "$scratch" "$scratch/for-all" || fail 'mounting in a user namespace'
  ! is_mounted "$scratch/mnt" || fail 'mounted outside of the namespace'
else
  leave_out 'no user namespace: they are not allowed here'
fi

# As a container runtime starts it: the program and its libraries, /dev/fuse, /proc, nothing else. Read-only but for a
# place for the pack and the mount; no /etc, no /run, no syslog, no fusermount3.
if is_root && unshare -mp --fork true 2>/dev/null; then
  root=$scratch/root
  mkdir -p "$root"/{bin,dev,proc,data,data/mnt}
  cp "$QUIRE" "$root/bin/quire"
  cp /bin/bash /bin/cat /bin/sleep "$root/bin/"
  ldd "$QUIRE" /bin/bash /bin/cat /bin/sleep | grep -o '/[^ ]*' | grep -v ':$' | sort -u | while read -r library; do
    cp --parents -L "$library" "$root/"
  done
  cp "$pack" "$root/data/tree.quire"
  # shellcheck disable=SC2016  # for the inner shell
  in_container='
    set -e
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    touch "$1/dev/null" && mount --bind /dev/null "$1/dev/null"
    rm -f "$1/dev/fuse"
    if [ "$2" = fuse ]; then touch "$1/dev/fuse" && mount --bind /dev/fuse "$1/dev/fuse"; fi
    exec chroot "$1" /bin/bash -c "$3"'
  contained() { unshare -mp --fork --kill-child --propagation private bash -c "$in_container" - "$root" "$@"; }
  # shellcheck disable=SC2016
  contained fuse '
    set -e
    /bin/quire mount -o log_file=/data/log /data/tree.quire /data/mnt
    /bin/cat /data/mnt/001/*.bin >/data/seen
    /bin/quire umount /data/mnt
    [ -s /data/log ]' || fail 'mounting in a root of its own'
  cat "$scratch/tree/001/"*.bin | cmp - "$root/data/seen"
  # Without /dev/fuse the message says what a container lacks.
  assert_exit 1 contained 'no fuse' '/bin/quire mount /data/tree.quire /data/mnt'
  assert_says /dev/fuse container
else
  leave_out 'no root of its own: only root may make one'
fi
pass
