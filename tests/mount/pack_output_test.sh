#!/bin/bash
# Goal: OUT is made on any file system that can hold it, what would keep it from its name is told before the work, and
# temporary files are nobody's samples.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

make_samples "$scratch/tree" 2 10 1000
out=$scratch/out
mkdir "$out"
# refused PATTERN OUT: with --force, and before the scan, which would read a symlink of the tree.
ln -s target "$scratch/tree/000/met"
refused() {
  assert_exit 1 strace -f -qq -e trace=readlink,readlinkat -o "$scratch/trace" "$QUIRE" pack "$scratch/tree" --force -o "$2"
  assert_says "$1"
  ! grep -q '"met"' "$scratch/trace" || fail "$2 was refused after the scan only"
}

# Symlinks are followed, and stay; a dangling one is refused.
echo old >"$out/real"
ln -s real "$out/link"
assert_exit 1 quire pack "$scratch/tree" -o "$out/link"
assert_says '--force'
assert_equal "$(cat "$out/real")" old
pack "$scratch/tree" -o "$out/link" --force
[ -L "$out/link" ] || fail 'the symlink was replaced'
assert_equal "$(quire ls "$out/real" | wc -l)" 2
ln -s nowhere "$out/dangling"
refused 'symlink' "$out/dangling"
[ ! -e "$out/nowhere" ] || fail 'a dangling symlink was followed'

# What is no regular file, and what has no folder.
mkfifo "$out/fifo"
refused 'regular file' "$out/fifo"
refused 'regular file' /dev/null
refused 'directory' "$out"
refused "no folder $out/none" "$out/none/x.quire"
refused 'not a directory' "$out/real/x.quire"
refused 'too long' "$out/$(printf 'n%.0s' {1..256})"
assert_exit 2 quire pack "$scratch/tree" -o -
assert_says 'pipe' 'name a file'
assert_exit 2 quire pack "$scratch/tree"
assert_says 'OUT'
rm "$out"/{link,dangling,fifo}

# A folder that others may write to, but where only owners may replace; a closed one; one that cannot be listed.
make_ordinary_user
mkdir "$scratch/sticky" "$scratch/closed"
echo theirs >"$scratch/sticky/kept"
chmod 1777 "$scratch/sticky" && chmod 666 "$scratch/sticky/kept"
user_pack() { as_user "$user_quire" pack --progress never "$scratch/tree" "$@"; }
if is_root; then
  assert_exit 1 user_pack -o "$scratch/sticky/kept" --force
  assert_says 'replacing it: operation not permitted'
  assert_exit 1 user_pack -o "$scratch/closed/x.quire"
  assert_says "$scratch/closed: permission denied"
  if chattr +i "$out/real" 2>/dev/null; then
    refused 'replacing it: operation not permitted' "$out/real"
    chattr -i "$out/real"
  else
    leave_out 'an immutable OUT: this file system has none'
  fi
  : >"$out/mount point"
  if mount --bind "$out/real" "$out/mount point" 2>/dev/null; then
    mounts+=("$out/mount point")
    refused 'mount point' "$out/mount point"
    umount "$out/mount point"
  else
    leave_out 'OUT as a mount point: no bind mount can be made'
  fi
else
  leave_out 'folders and files of others: that needs root'
fi
mkdir -m 300 "$user_home/unlisted"
if is_root; then chown "$user:" "$user_home/unlisted"; fi
assert_exit 0 user_pack -o "$user_home/unlisted/x.quire"
assert_exit 0 user_pack -o "$user_home/unlisted/x.quire" --force

# What replaces a pack is for those that it was for.
as_user touch "$user_home/private.quire"
for mode in 600 640 604 400; do
  chmod $mode "$user_home/private.quire"
  pack "$scratch/tree" -o "$user_home/private.quire" --force
  assert_equal "$(stat -c '%a %U' "$user_home/private.quire")" "$mode $user" "as $(id -un)"
done
if is_root; then
  # The user may keep neither root's name nor its group: nobody is to see more than before.
  for modes in 640:600 664:644 604:600 666:666; do
    install -o root -g root -m "${modes%:*}" /dev/null "$user_home/private.quire"
    assert_exit 0 user_pack -o "$user_home/private.quire" --force
    assert_equal "$(stat -c '%a %U' "$user_home/private.quire")" "${modes#*:} $user" "${modes%:*} of root"
  done
  # The user, a group, one more user, the mask, others: where the list stays away the mask would be the group's bits.
  access() { python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "system.posix_acl_access").hex())' "$user_home/private.quire"; }
  if python3 - "$user_home/private.quire" <<'PYTHON' 2>/dev/null; then
import os, struct, sys
entries = (1, 6, 2**32 - 1), (2, 4, 1), (4, 0, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)
os.setxattr(sys.argv[1], 'system.posix_acl_access', struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries))
PYTHON
    before=$(access)
    pack "$scratch/tree" -o "$user_home/private.quire" --force
    assert_equal "$(access)" "$before" 'the access list'
    # A folder that gives its files a list gives none to what replaces a file without.
    mkdir "$user_home/shared" && touch "$user_home/shared/x.quire" && chmod 640 "$user_home/shared/x.quire"
    python3 - "$user_home/shared" <<'PYTHON'
import os, struct, sys
entries = (1, 7, 2**32 - 1), (2, 7, 1), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1)
os.setxattr(sys.argv[1], 'system.posix_acl_default', struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries))
PYTHON
    pack "$scratch/tree" -o "$user_home/shared/x.quire" --force
    assert_equal "$(stat -c %A "$user_home/shared/x.quire") $(python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]))' "$user_home/shared/x.quire")" \
      '-rw-r----- []'
  else
    leave_out 'access lists: this file system has none'
  fi
fi

# --tmp: a folder for what does not stay; a wrong one is told at once.
mkdir "$scratch/tmp"
pack "$scratch/tree" -o "$out/tmp.quire" --tmp "$scratch/tmp"
cmp "$out/tmp.quire" "$out/real"
assert_equal "$(ls -A "$scratch/tmp")" ''
assert_exit 1 quire pack "$scratch/tree" -o "$out/new.quire" --tmp "$scratch/none"
assert_says "--tmp $scratch/none" 'no such file'
if is_root; then
  strace -f -qq -e trace=openat -o "$scratch/trace" "$QUIRE" pack "$scratch/tree" -o "$out/tmp.quire" --force --tmp "$scratch/tmp" >/dev/null
  grep -q "\"$scratch/tmp\", .*O_TMPFILE" "$scratch/trace" || fail 'nothing was made in the folder of --tmp'
fi
rm -f "$out/mount point"
assert_equal "$(ls -A "$out" | tr '\n' ' ')" 'real tmp.quire ' 'left behind'

# A file system with neither unnamed files nor hard links nor RENAME_NOREPLACE: exFAT by FUSE.
exfat=$scratch/exfat
mount_exfat() {
  local device status=0
  command -v mkfs.exfat >/dev/null && command -v mount.exfat-fuse >/dev/null && [ -e /dev/fuse ] && is_root || return 1
  truncate -s 64M "$scratch/exfat.image" && mkfs.exfat "$scratch/exfat.image" >/dev/null 2>&1 || return 1
  mkdir "$exfat"
  mounts+=("$exfat")
  device=$(losetup --find --show "$scratch/exfat.image" 2>"$scratch/exfat.log") || return 1
  mount.exfat-fuse "$device" "$exfat" >"$scratch/exfat.log" 2>&1 || status=1
  losetup --detach "$device"  # once it is unmounted
  return $status
}
if mount_exfat; then
  ! ln "$exfat" "$exfat/x" 2>/dev/null || fail 'this exFAT has hard links'
  pack "$scratch/tree" -o "$exfat/new.quire"
  cmp "$exfat/new.quire" "$out/real"
  assert_equal "$(ls -A "$exfat")" new.quire
  assert_exit 1 quire pack "$scratch/tree" -o "$exfat/new.quire"
  assert_says '--force'
  pack "$scratch/tree" -o "$exfat/new.quire" --force
  cmp "$exfat/new.quire" "$out/real"
  assert_equal "$(ls -A "$exfat")" new.quire
  assert_exit 1 quire pack "$scratch/tree" -o "$exfat/a:b.quire"  # no name of exFAT
  assert_equal "$(ls -A "$exfat")" new.quire

  # OUT in SRC: its temporary name is no sample, and the temporary files must be elsewhere.
  mkdir "$exfat/tree" && echo sample >"$exfat/tree/sample"
  assert_exit 2 quire pack "$exfat/tree" -o "$exfat/tree/x.quire" --exclude x.quire
  assert_says '--tmp'
  pack "$exfat/tree" -o "$exfat/tree/x.quire" --exclude x.quire --tmp "$scratch/tmp"
  assert_equal "$(list_paths "$exfat/tree/x.quire")" sample
  assert_equal "$(ls -A "$exfat/tree" | tr '\n' ' ')" 'sample x.quire '
  ! grep -q excluded "$scratch/pack.log" || fail "what the packer made itself was counted: $(cat "$scratch/pack.log")"
else
  leave_out "exFAT: it needs root, /dev/fuse, exfat-fuse and exfatprogs $(cat "$scratch/exfat.log" 2>/dev/null)"
fi
pass
