#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an ordinary user packs, mounts by fusermount3, reads and unmounts, without help from root.

# Some containers keep /dev/fuse to root: then root makes one for everybody, seen by this test only.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -z "${own_fuse-}" ] && unshare -m true 2>/dev/null && (((8#$(stat -c %a /dev/fuse) & 6) != 6)); then
  own_fuse=yes exec unshare -m bash -c 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse; exec "$0"' "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
command -v fusermount3 >/dev/null || skip 'there is no fusermount3'
make_ordinary_user
as_user [ -w /dev/fuse ] || skip 'ordinary users may not open /dev/fuse: its mode should be 0666'
support_copy=$scratch/compare.sh  # the checkout may be closed to others
cp "$support/compare.sh" "$support_copy"

make_samples "$scratch/tree" 3 20 5000
ln -s 000 "$scratch/tree/symlink"
if is_root; then chown -R "$user:" "$scratch/tree"; fi

as_user "$user_quire" pack --progress never "$scratch/tree" -o "$user_home/tree.quire" || fail 'packing'
assert_equal "$(stat -c %U "$user_home/tree.quire")" "$user" 'owner of the pack'
as_user mkdir "$user_home/mnt"
mounts+=("$user_home/mnt")
as_user "$user_quire" mount "$user_home/tree.quire" "$user_home/mnt" || fail 'mounting'
is_mounted "$user_home/mnt" || fail 'nothing is mounted'
grep -F " $user_home/mnt " /proc/self/mountinfo | grep -q '[ ,]ro[ ,].*nosuid\|nosuid.*[ ,]ro[ ,]' || fail 'not mounted ro,nosuid'

as_user bash -c '. "$1"; assert_same_tree "$2" "$3"' - "$support_copy" "$scratch/tree" "$user_home/mnt"
# What only root may have is refused, or said to be without effect.
as_user mkdir "$user_home/other"
mounts+=("$user_home/other")
assert_exit 1 as_user "$user_quire" mount -o suid "$user_home/tree.quire" "$user_home/other"
assert_says "^quire mount: option 'suid': only root may ask for it$"
assert_exit 0 as_user "$user_quire" mount -o read_ahead_kb=512 "$user_home/tree.quire" "$user_home/other"
assert_says "^quire mount: option 'read_ahead_kb' has no effect: only root may set it$"
as_user "$user_quire" umount "$user_home/other" || fail 'unmounting'
# What is mounted by one user is closed to others, root included, unless the user allowed them.
if is_root; then assert_fails ls "$user_home/mnt"; fi
# But root is told how it fares, whose command becomes that user for it; nobody else is.
as_user "$user_quire" stats "$user_home/mnt" | grep -q 'what came from where' || fail 'no figures for the user'
if is_root; then
  quire stats "$user_home/mnt" | grep -q 'what came from where' || fail 'no figures for root'
  useradd --system --no-create-home "third-$user" && users+=("third-$user")
  assert_exit 1 runuser -u "third-$user" -- "$user_quire" stats "$user_home/mnt"
  assert_says 'for root and the user who mounted'
fi

as_user "$user_quire" umount "$user_home/mnt" || fail 'unmounting'
! is_mounted "$user_home/mnt" || fail 'still mounted'
until_true 10 eval '! pgrep -f "mount $user_home/tree.quire" >/dev/null' || fail 'the daemon still runs'

# Where modes are checked for the user too, plans are heard as well, and are not waited with.
as_user "$user_quire" mount -o default_permissions "$user_home/tree.quire" "$user_home/mnt" || fail 'mounting'
as_user timeout 10 bash -c 'echo 000/00000.bin >"$1"' - "$user_home/mnt/.quire/plan" || fail 'writing a plan'
told() { sleep 0.11; as_user cat "$user_home/mnt/.quire/stats" | json 'd["plan"]["told"]'; }
until_true 10 eval '[ "$(told)" = 1 ]' || fail 'a plan was not heard'
# Others cannot take it away.
if is_root; then
  useradd --system --no-create-home "other-$user" && users+=("other-$user")
  for command in "'$user_quire' umount" "'$user_quire' umount --lazy" 'fusermount3 -u' umount; do
    assert_fails runuser -u "other-$user" -- bash -c "$command '$user_home/mnt'"
    is_mounted "$user_home/mnt" || fail "another user took the mount away by $command"
  done
fi
as_user "$user_quire" umount "$user_home/mnt" || fail 'unmounting'

# umount --all takes what the user has mounted, and nothing of others.
if is_root; then
  pack "$scratch/tree" -o "$scratch/all.quire"
  mount_pack "$scratch/all.quire" "$scratch/of-root"
  as_user mkdir "$user_home/second"
  mounts+=("$user_home/second")
  for mnt in mnt second; do as_user "$user_quire" mount "$user_home/tree.quire" "$user_home/$mnt" || fail 'mounting'; done
  assert_exit 0 as_user "$user_quire" umount --all
  ! is_mounted "$user_home/mnt" && ! is_mounted "$user_home/second" || fail 'umount --all left a mount'
  is_mounted "$scratch/of-root" || fail 'umount --all took a mount of root'
  umount_pack "$scratch/of-root"
fi

# Somebody else's folder and pack are refused.
if is_root; then
  mkdir "$scratch/roots" && chmod 600 "$scratch/tree/000/00000.bin" && chown root "$scratch/tree/000/00000.bin"
  assert_exit 1 as_user "$user_quire" mount "$user_home/tree.quire" "$scratch/roots"
  pack "$scratch/tree" -o "$scratch/roots.quire" && chmod 600 "$scratch/roots.quire"
  assert_exit 1 as_user "$user_quire" mount "$scratch/roots.quire" "$user_home/mnt"
  assert_says 'permission denied'
  # A pack that root made keeps its owners and modes: with default_permissions, what root alone may read is closed.
  chmod 644 "$scratch/roots.quire"
  as_user "$user_quire" mount -o default_permissions "$scratch/roots.quire" "$user_home/mnt" || fail 'mounting a pack of root'
  assert_equal "$(as_user stat -c %U "$user_home/mnt/000/00000.bin")" root 'owner of a sample'
  assert_fails as_user cat "$user_home/mnt/000/00000.bin"
  assert_says 'permission denied'
  as_user cmp "$scratch/tree/000/00001.bin" "$user_home/mnt/000/00001.bin"
  as_user "$user_quire" umount "$user_home/mnt"
  # Nor is a file that the user cannot read packed in silence.
  assert_exit 1 as_user "$user_quire" pack "$scratch/tree" -o "$user_home/partial.quire"
  assert_says '000/00000.bin' 'permission denied'
  [ ! -e "$user_home/partial.quire" ] || fail 'a pack without the unreadable file'
fi
pass
