#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an installed quire packs, mounts from fstab and by hand, as root and as an ordinary user, and is all there.
. "$(dirname "$0")/../support/harness.sh"

assert_equal "$(quire --version)" "quire $(dpkg-query -W -f '${Version}' quire)"
for path in /usr/share/man/man1/quire.1.gz /usr/share/man/man8/mount.quire.8.gz \
  /usr/share/bash-completion/completions/quire /usr/share/zsh/vendor-completions/_quire \
  /usr/share/fish/vendor_completions.d/quire.fish /usr/lib/systemd/system/quire@.service \
  /usr/share/doc/quire/{copyright,changelog.gz,examples/fstab.example}; do
  [ -s "$path" ] || fail "the package has no $path"
done
for helper in mount.quire mount.fuse.quire; do assert_equal "$(readlink -f /sbin/$helper)" /usr/bin/quire; done
assert_exit 1 quire bench io "$scratch"
assert_says 'package is called quire-bench'

mkdir -p "$scratch/tree/folder" "$scratch/mnt"
seq 100000 >"$scratch/tree/folder/numbers"
ln -s folder/numbers "$scratch/tree/link"
pack "$scratch/tree" -o "$scratch/tree.quire"
quire verify "$scratch/tree.quire" >/dev/null

# By fstab, which is put back.
mounts+=("$scratch/mnt")
cp -p /etc/fstab "$scratch/fstab"
printf '%s %s quire ro,nofail,allow_other 0 0\n' "$scratch/tree.quire" "$scratch/mnt" >>/etc/fstab
for by in "mount $scratch/mnt" 'mount -a -t quire' 'mount -a'; do
  $by || fail "$by"
  assert_equal "$(findmnt -n -o FSTYPE "$scratch/mnt")" fuse.quire "$by"
  diff -r "$scratch/tree" "$scratch/mnt"
  umount "$scratch/mnt"
  ! is_mounted "$scratch/mnt" || fail "umount left the mount that '$by' made"
done
cat "$scratch/fstab" >/etc/fstab

mount_pack "$scratch/tree.quire" "$scratch/mnt"
diff -r "$scratch/tree" "$scratch/mnt"
umount_pack "$scratch/mnt"

# An ordinary user, one who is there: to make one leaves backups of passwd behind.
as_user() { setpriv --reuid games --regid games --clear-groups "$@"; }
mkdir "$scratch/user" && chown games:games "$scratch/user"
as_user quire pack --progress never "$scratch/tree" -o "$scratch/user/tree.quire"
as_user mkdir "$scratch/user/mnt"
mounts+=("$scratch/user/mnt")
as_user quire mount "$scratch/user/tree.quire" "$scratch/user/mnt"
as_user diff -r "$scratch/tree" "$scratch/user/mnt"
as_user quire umount "$scratch/user/mnt"
! is_mounted "$scratch/user/mnt" || fail 'quire umount left the mount of an ordinary user'
pass
