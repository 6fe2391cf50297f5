#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount is copied with shifted owners where that can be had, and where it cannot, it fails as SEMANTICS.md says, the
# log tells why, and uid= and gid= do instead.
. "$(dirname "$0")/../support/harness.sh"
need_fuse
is_root || skip 'only root may shift owners'

mkdir "$scratch/tree" "$scratch/copy" "$scratch/plain" "$scratch/plain-copy"
echo sample >"$scratch/tree/file"
chown 0:0 "$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/tree.quire"

cat >"$scratch/idmap.py" <<'END'
import ctypes, errno, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
AT_FDCWD, AT_EMPTY_PATH, OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_IDMAP = -100, 0x1000, 1, 4, 0x100000

class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]

def check(result):
    if result < 0:
        print(errno.errorcode[ctypes.get_errno()])
        sys.exit(0)
    return result

source, target = sys.argv[1:]
holder = subprocess.Popen(["unshare", "-U", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
holder.stdout.readline()
try:
    for kind in ("uid", "gid"):
        with open(f"/proc/{holder.pid}/{kind}_map", "w") as file:
            file.write("0 100000 65536")
    userns = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY)
finally:
    holder.kill()
    holder.wait()
tree = check(libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), OPEN_TREE_CLONE | os.O_CLOEXEC))
attributes = Attributes(set=MOUNT_ATTR_IDMAP, userns_fd=userns)
check(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attributes), ctypes.sizeof(attributes)))
check(libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH))
print("shifted")
END
shift_owners() { /usr/bin/python3 "$scratch/idmap.py" "$@"; }

unshare -U true 2>/dev/null || skip 'there are no user namespaces here'
# Whether this kernel and this file system of the machine's can, so that a refusal says something of the mount.
plain=$(shift_owners "$scratch/plain" "$scratch/plain-copy")
mounts+=("$scratch/plain-copy")
[ "$plain" = shifted ] || skip "there are no idmapped mounts here: $plain"

log=$scratch/log
mount_pack "$scratch/tree.quire" "$scratch/mnt" -o "allow_other,log_file=$log"
can=$(sed -n 's/.*idmapped mounts: //p' "$log")
result=$(shift_owners "$scratch/mnt" "$scratch/copy")
mounts+=("$scratch/copy")
if [ "$can" = yes ]; then
  assert_equal "$result" shifted 'a copy with shifted owners'
  assert_equal "$(stat -c '%u %g' "$scratch/copy/file")" '100000 100000' 'shifted owners'
  assert_equal "$(stat -c '%u %g' "$scratch/mnt/file")" '0 0' 'owners in the mount itself'
  cmp "$scratch/tree/file" "$scratch/copy/file"
  umount "$scratch/copy"
else
  [[ $can == 'no, '* ]] || fail "the log does not say whether owners can be shifted: $can"
  assert_equal "$result" EINVAL "shifting owners, where the log says '$can'"
  leave_out "no shifted owners: $can"
fi
umount_pack "$scratch/mnt"

mount_pack "$scratch/tree.quire" "$scratch/mnt" -o allow_other,uid=100000,gid=100000
assert_equal "$(stat -c '%u %g' "$scratch/mnt/file")" '100000 100000' 'owners by uid= and gid='
pass
