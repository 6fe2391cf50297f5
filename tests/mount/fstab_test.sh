#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: mount(8) mounts packs by type and from fstab, for root and for ordinary users, with the options, messages and
# exit codes of any other file system.

# In a mount namespace of its own, where fstab and /sbin are this test's.
if [ "$(id -u)" -eq 0 ] && [ -z "${own_namespace-}" ] && unshare -m true 2>/dev/null; then
  own_namespace=yes exec unshare -m "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
[ -n "${own_namespace-}" ] || skip 'only root may give mount(8) another fstab'
make_ordinary_user

sbin=$scratch/sbin
mkdir "$sbin"
ln -s "$user_quire" "$sbin/mount.quire"
ln -s "$user_quire" "$sbin/mount.fuse.quire"
mount -t overlay overlay -o "lowerdir=$sbin:$(realpath /sbin)" "$(realpath /sbin)" 2>/dev/null || skip 'there are no overlays here'
fstab=$scratch/fstab
touch "$fstab"
mount --bind "$fstab" /etc/fstab
if [ "$(stat -c %a /dev/fuse)" != 666 ]; then  # some containers keep it to root
  mknod -m 666 "$scratch/fuse" c 10 229 && mount --bind -o dev "$scratch/fuse" /dev/fuse
  if ! as_user [ -w /dev/fuse ]; then mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse; fi
fi

pack=$scratch/tree.quire
make_samples "$scratch/tree" 2 10 1000
pack "$scratch/tree" -o "$pack"
cp "$pack" "$scratch/with space.quire"
for name in a b c d; do
  mkdir "$scratch/$name"
  mounts+=("$scratch/$name")
done
shows_tree() { cmp -s "$scratch/tree/001/00009.bin" "$1/001/00009.bin" || fail "line ${BASH_LINENO[0]}: $1 does not show the pack"; }
options_of() { awk -v dir="$1" '$5 == dir {print $6}' /proc/self/mountinfo; }

# By type, as root: quire, and the name that /proc/mounts tells.
for type in quire fuse.quire; do
  assert_exit 0 mount -t $type "$pack" "$scratch/a"
  assert_says 'read-only'  # mount(8) says rw to its helpers where nobody said ro
  shows_tree "$scratch/a"
  assert_equal "$(findmnt -no FSTYPE,SOURCE "$scratch/a" | tr -s ' ')" "fuse.quire $pack"
  [[ ",$(options_of "$scratch/a")," == *,ro,* ]] || fail 'mounted rw'
  umount "$scratch/a"
done
assert_exit 0 mount -t quire -o ro "$pack" "$scratch/a"
assert_equal "$output" '' 'said of a mount that went well'
assert_exit 0 umount "$scratch/a"

# The flags of mount(8).
assert_exit 0 mount -v -n -t quire -o ro "$pack" "$scratch/a"
assert_says "$pack mounted on $scratch/a"
umount "$scratch/a"
mount -t quire -o ro "$pack" "$scratch/a"
assert_exit 1 mount -o remount,ro "$scratch/a"
assert_says 'unmount it'
# As newer releases of mount(8) say it, which add what the kernel shows of the mount.
assert_exit 1 "$sbin/mount.quire" "$pack" "$scratch/a" -o ro,nosuid,nodev,relatime,user_id=0,group_id=0,remount
assert_says 'unmount it'
umount "$scratch/a"
assert_exit 0 mount -f -t quire "$pack" "$scratch/a"
! is_mounted "$scratch/a" || fail 'mount -f mounted'
assert_exit 32 mount -f -t quire "$scratch/tree" "$scratch/a"
assert_exit 0 mount -s -t quire -o ro,no_such_option=1 "$pack" "$scratch/a"
umount "$scratch/a"
(cd "$scratch" && assert_exit 0 mount -t quire -o ro tree.quire a && umount a) || fail 'relative paths'

# Refusals: mount's exit codes, one message, nothing mounted.
refused() {
  local status=$1
  shift
  assert_exit "$status" mount -t quire "$@" "$scratch/a"
  ! is_mounted "$scratch/a" || fail 'mounted all the same'
}
refused 1 -o ro,alow_other "$pack"
assert_says 'unknown option .alow_other.' "did you mean 'allow_other'"
refused 1 -o ro,uid=nobody_here "$pack"
refused 32 "$scratch/tree"
assert_says 'is a directory, not a pack'
printf 'not a pack' >"$scratch/text"
refused 32 "$scratch/text"
assert_exit 32 mount -t quire -o ro "$pack" "$scratch/nowhere"
assert_says nowhere

# Every option that an fstab line may have.
cat >"$fstab" <<END
# three packs
$pack $scratch/a quire defaults 0 0
$scratch/with\040space.quire $scratch/b quire ro,nofail,_netdev,user,noexec,nosuid,nodev,noatime,x-systemd.automount,x-anything=1,comment=ours 0 0
$pack $scratch/c fuse.quire ro,auto,exec,suid,dev,users,relatime,subdir=001,uid=12,umask=027,context="a:b,c" 0 0
$pack $scratch/d quire ro,noauto,user,timeout=600 0 0
$scratch/none.quire $scratch/d quire ro,nofail 0 0
END
assert_exit 0 mount -a
for name in a b; do shows_tree "$scratch/$name"; done
cmp "$scratch/tree/001/00003.bin" "$scratch/c/00003.bin"
! is_mounted "$scratch/d" || fail 'noauto or what is not there was mounted'
assert_equal "$(stat -c '%u %a' "$scratch/c/00003.bin")" '12 750' 'uid= and umask='
[[ ",$(options_of "$scratch/b")," == *,noexec,* ]] || fail "b without noexec: $(options_of "$scratch/b")"
assert_exit 0 mount -a  # again: all is there already
assert_equal "$(grep -c "$scratch/.* fuse.quire " /proc/self/mountinfo)" 3 'mounts after a second mount -a'
assert_exit 0 umount -a -t fuse.quire
for name in a b c; do ! is_mounted "$scratch/$name" || fail "umount -a left $name"; done
until_true 10 eval "! pgrep -f '$pack' >/dev/null" || fail 'a daemon outlives its mount'

# nofail: a pack that is not there is no failure, as a device that is not there is none.
assert_exit 0 mount -t quire -o ro,nofail "$scratch/none.quire" "$scratch/d"
! is_mounted "$scratch/d" || fail 'a pack that is not there was mounted'
assert_exit 32 mount -t quire -o ro "$scratch/none.quire" "$scratch/d"
assert_says none.quire 'no such file'
assert_exit 32 mount -t quire -o ro,nofail "$scratch/tree" "$scratch/d"  # there, and no pack

# By the directory alone, and one that is there already.
assert_exit 0 mount "$scratch/a"
assert_exit 32 mount "$scratch/a"
assert_exit 0 umount "$scratch/a"
# A killed daemon's mount is replaced.
mount "$scratch/a" 2>/dev/null
kill -KILL "$(daemon_of_mount "$scratch/a")"
until_true 10 eval "! ls '$scratch/a' >/dev/null 2>&1" || fail 'the daemon does not die'
assert_exit 0 mount "$scratch/a"
shows_tree "$scratch/a"
umount "$scratch/a"

# Of 'loop' and sizelimit= mount(8) makes a loop device, which ends at a whole sector, as packs do not.
[ $(($(stat -c %s "$pack") % 512)) -gt 0 ] || fail 'this pack would show nothing'
if losetup -f >/dev/null 2>&1; then
  assert_exit 0 mount -t quire -o "ro,loop,sizelimit=$(stat -c %s "$pack")" "$pack" "$scratch/a"
  shows_tree "$scratch/a"
  umount "$scratch/a"
  until_true 10 eval "! losetup -a | grep -qF '$scratch'" || fail 'the loop device is left'
  # A pack that was written to a block device, which is larger.
  { head -c 4096 /dev/zero && cat "$pack" && head -c 4096 /dev/zero; } >"$scratch/disk"
  truncate -s %4096 "$scratch/disk"
  device=$(losetup -f --show -o 4096 "$scratch/disk")
  assert_exit 0 mount -t quire -o ro "$device" "$scratch/a"
  diff -r "$scratch/tree" "$scratch/a"
  umount "$scratch/a"
  losetup -d "$device"
else
  leave_out 'no packs on devices: there are no loop devices here'
fi

# An ordinary user, whom the line allows it.
if as_user [ -w /dev/fuse ]; then
  chown "$user:" "$scratch/d"
  assert_exit 0 as_user mount "$scratch/d"
  as_user cmp "$scratch/tree/001/00009.bin" "$scratch/d/001/00009.bin"
  [[ ",$(options_of "$scratch/d")," == *,nosuid,nodev,noexec,* ]] || fail "a user's mount: $(options_of "$scratch/d")"
  assert_equal "$(ps -o user:40= -p "$(daemon_of_mount "$scratch/d")" | tr -d ' ')" "$user" 'whose daemon it is'
  assert_exit 0 as_user umount "$scratch/d"
  ! is_mounted "$scratch/d" || fail 'the user could not unmount'
  # Who may not mount there is told why.
  chown root: "$scratch/d"
  assert_exit 1 as_user mount "$scratch/d"
  assert_says 'folder of your own'
  ! is_mounted "$scratch/d" || fail 'mounted by one who may not'
else
  leave_out 'no mount by an ordinary user: /dev/fuse is closed to them here'
fi
pass
