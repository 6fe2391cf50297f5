#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a pack gives nobody rights that the person who mounted did not give: no set-user-ID program, no device, and no file or
# address outside of the pack.

# Root lets everybody open /dev/fuse, seen by this test only.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -z "${own_fuse-}" ] && unshare -m true 2>/dev/null; then
  own_fuse=yes exec unshare -m bash -c 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse; exec "$0"' "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
need_fuse
is_root || skip 'needs root, whose set-user-ID program and mounts these are'
forge=${FORGE_PACK:-$(dirname "$QUIRE")/forge_pack}
[ -x "$forge" ] || skip "no $forge: build the target forge_pack"
make_ordinary_user
mnt=$scratch/mnt
tree=$scratch/tree

# A program of root's with both bits, beside a disk and a terminal.
mkdir "$tree"
cp /usr/bin/id "$tree/id" && chmod 6755 "$tree/id"
mknod "$tree/null" c 1 3
mknod "$tree/disk" b 7 0
pack "$tree" -o "$scratch/tree.quire"
grep -qi 'left out' "$scratch/pack.log" || fail "devices are left out in silence: $(cat "$scratch/pack.log")"
options_of() { awk -v at="$1" '$5 == at {print $6}' /proc/self/mountinfo; }
assert_harmless() {  # MOUNT HOW
  [[ ,$(options_of "$1"), == *,nosuid,* && ,$(options_of "$1"), == *,nodev,* ]] || fail "$2: mounted $(options_of "$1")"
  assert_equal "$(as_user stat -c %a "$1/id")" 6755 "$2: the mode is that of the source"
  assert_equal "$(as_user "$1/id" -u)" "$(id -u "$user")" "$2: whose rights the program has"
  assert_equal "$(as_user find "$1" -type c -o -type b)" '' "$2: devices"
}
mount_pack "$scratch/tree.quire" "$mnt" -o allow_other
assert_harmless "$mnt" 'quire mount'
umount_pack "$mnt"
# As mount(8) and fstab do it, by the helper's name.
ln -s "$QUIRE" "$scratch/mount.quire"
for options in rw,allow_other defaults,allow_other rw,user,exec,allow_other; do
  "$scratch/mount.quire" "$scratch/tree.quire" "$mnt" -o "$options" 2>"$scratch/err" || fail "$options: $(cat "$scratch/err")"
  assert_harmless "$mnt" "mount.quire -o $options"
  umount_pack "$mnt"
done
# Root may say otherwise, and is obeyed: else nothing above would show anything.
mount_pack "$scratch/tree.quire" "$mnt" -o allow_other,suid
assert_equal "$(as_user "$mnt/id" -u)" 0 'with suid'
umount_pack "$mnt"
# An ordinary user may not.
if command -v fusermount3 >/dev/null; then
  cp "$scratch/tree.quire" "$user_home/tree.quire" && chmod 644 "$user_home/tree.quire"
  as_user mkdir "$user_home/mnt"
  mounts+=("$user_home/mnt")
  for options in ro ro,suid,dev; do
    as_user "$user_quire" mount -o "$options" "$user_home/tree.quire" "$user_home/mnt" 2>"$scratch/err" || continue
    assert_harmless "$user_home/mnt" "an ordinary user's mount -o $options"
    as_user "$user_quire" umount "$user_home/mnt"
  done
fi

# A mode that claims to be a device is none, whatever the mount's options.
for type in 0020000 0060000 0010000 0140000; do  # character, block, pipe, socket
  for record in 0 1; do
    "$forge" field 2 $record 0 4 $((type | 0666)) "$scratch/tree.quire" "$scratch/forged.quire"
    mkdir -p "$mnt" && mounts+=("$mnt")
    "$QUIRE" mount -o dev,suid "$scratch/forged.quire" "$mnt" 2>/dev/null || continue
    for kind in b c p s; do assert_equal "$(find "$mnt" -type $kind 2>/dev/null)" '' "a mode of type $type is shown"; done
    umount_pack "$mnt"
  done
done

# A volume of the index names files and addresses. Only what lies in the pack's own folder, links followed, is opened: of all else
# nothing is asked for, not even whether it is there, and reading it is EIO.
echo secret-of-root-16 >"$scratch/secret"
mkdir "$scratch/packs"
ln -s ../secret "$scratch/packs/link"
mkfifo "$scratch/packs/pipe"
forged=$scratch/packs/forged.quire
command -v strace >/dev/null || skip 'there is no strace'
tried=0
for volume in '1 /etc/passwd' '1 ../../../../../../../etc/passwd' "1 $scratch/secret" '1 ../secret' '1 x/../../secret' '1 link' '1 pipe' '1 .' \
  '1 /dev/mem' '2 http://127.0.0.1:9/x' '2 file:///etc/passwd' '1 ' '7 /etc/passwd'; do
  "$forge" volume "${volume%% *}" "${volume#* }" "$forged"
  for command in "cat $forged elsewhere" "extract $forged -C $scratch/out" "verify $forged" \
    "mount -f -o allow_other $forged $mnt" "mount -f -o allow_other,volumes=/nowhere $forged $mnt"; do
    rm -rf "$scratch/out" && mkdir "$scratch/out"
    # shellcheck disable=SC2086  # several words
    assert_fails timeout 60 strace -f -o "$scratch/calls" -e trace=open,openat,connect,socket "$QUIRE" $command
    ! grep -E '/etc/passwd|secret|/dev/mem|AF_INET' "$scratch/calls" || fail "$command opens what the pack names ($volume)"
    ! grep -rq secret-of-root "$scratch/out" || fail "$command gives what the pack names ($volume)"
    ! is_mounted "$mnt" || fail "$command mounts a pack of which nothing can be read ($volume)"
    tried=$((tried + 1))
  done
done
# Else nothing above would show anything.
assert_equal "$("$forge" volume 1 ../secret "$forged" && "$QUIRE" cat --volumes "$scratch/secret" "$forged" elsewhere)" secret-of-root-1
tally $tried 'reads of volumes outside of the pack'
pass
