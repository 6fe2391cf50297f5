#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: files of a mount are found by their handles after the kernel has forgotten them, as servers of NFS need it, and
# with subdir= nothing outside of that folder is.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'only root may open files by handles'

make_samples "$scratch/tree" 3 20 1000
mkdir -p "$scratch/tree/deep/er/still"
echo deep >"$scratch/tree/deep/er/still/file"
ln "$scratch/tree/deep/er/still/file" "$scratch/tree/link"
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt
handles() { /usr/bin/python3 "$support/file_handles.py" "$@"; }

mount_pack "$scratch/tree.quire" "$mnt" -o allow_other,push=off
opened=$(handles "$mnt") || fail 'files are not found by their handles'
assert_equal "$opened" "$(find "$scratch/tree" | wc -l)" 'files found by handles'
assert_equal "$(handles "$mnt" "$mnt/link" "$mnt/deep/er/still/file" "$mnt/deep/er/still")" 3
umount_pack "$mnt"

mount_pack "$scratch/tree.quire" "$mnt" -o subdir=deep,push=off
assert_equal "$(handles "$mnt")" 4 'files found by handles in a folder of the pack'
umount_pack "$mnt"
# The handle of a file outside of the folder: made in a mount of the whole pack, used in one of the folder.
mount_pack "$scratch/tree.quire" "$mnt"
mount_pack "$scratch/tree.quire" "$scratch/part" -o subdir=deep
assert_equal "$(handles --in "$scratch/part" "$mnt/000/00001.bin")" ESTALE 'a file outside of subdir='
umount_pack "$mnt"

# By NFSv4 from a server in user space, of which the packages nfs-ganesha-vfs and libnfs-utils are a part.
if command -v ganesha.nfsd nfs-cat >/dev/null; then
  mount_pack "$scratch/tree.quire" "$mnt" -o allow_other
  port=$((20000 + $$ % 20000))
  mkdir -p /run/ganesha
  cat >"$scratch/ganesha.conf" <<END
NFS_CORE_PARAM { Protocols = 4; NFS_Port = $port; Enable_NLM = false; Enable_RQUOTA = false; Bind_addr = 127.0.0.1; }
NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = "$scratch"; Only_Numeric_Owners = true; }
EXPORT { Export_Id = 7; Path = "$mnt"; Pseudo = /q; Access_Type = RO; Squash = No_Root_Squash; SecType = sys; Protocols = 4;
         Filesystem_Id = 7.7; FSAL { Name = VFS; } }
END
  ganesha.nfsd -F -f "$scratch/ganesha.conf" -L "$scratch/ganesha.log" -p "$scratch/ganesha.pid" &
  server=$!
  background+=("$server")
  exported() { nfs-cat "nfs://127.0.0.1/q/$1?version=4&nfsport=$port&uid=0&gid=0" | cmp - "$scratch/tree/$1"; }
  until_true 30 eval 'exported 000/00001.bin 2>/dev/null' || { tail -n 20 "$scratch/ganesha.log"; fail 'nothing is exported'; }
  for file in 000/00002.bin 001/00009.bin deep/er/still/file; do exported $file || fail "$file by NFS"; done
  echo 3 >/proc/sys/vm/drop_caches
  for file in 000/00002.bin 002/00003.bin deep/er/still/file; do exported $file || fail "$file by NFS, forgotten by the kernel"; done
  kill "$server"
  wait "$server" || true
  umount_pack "$mnt"
else
  leave_out 'no export by NFS: there is no nfs-ganesha here'
fi
pass
