#!/bin/bash
# Goal: the same tree, byte by byte, however the kernel is told to treat it; and what it asks for without need gets the
# right answer.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree" 3 50 30000
head -c 3000000 /dev/urandom >"$tree/large"
: >"$tree/empty"
pack "$tree" -o "$tree.quire"
mkdir "$scratch/holes" && truncate -s 1M "$scratch/holes/file" && printf data | dd of="$scratch/holes/file" bs=1 seek=500000 conv=notrunc status=none
pack "$scratch/holes" -o "$scratch/holes.quire"
stat_of() { sleep 0.11; json "$1" <"$mnt/.quire/stats"; }
hits='d["counters"]["hit_bytes"] + d["counters"]["missed_bytes"]'

# direct_io: the kernel keeps no bytes, so that reading twice asks twice; whole-file mmap(2) works privately.
mount_pack "$tree.quire" "$mnt" -o direct_io
diff -r "$tree" "$mnt"
before=$(stat_of "$hits")
diff -r "$tree" "$mnt"
bytes=$(du -sb --apparent-size "$tree" | cut -f1)
[ $(($(stat_of "$hits") - before)) -ge $((bytes * 9 / 10)) ] || fail 'with direct_io the kernel still keeps bytes'
assert_equal "$(stat_of 'd["push"]["is_pushing"], d["push"]["samples"]')" '(False, 0)'
python3 - "$tree/large" "$mnt/large" <<'PYTHON'
import mmap, sys
files = [open(path, 'rb') for path in sys.argv[1:]]
contents = [mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:] for file in files]
assert contents[0] == contents[1]
PYTHON
umount_pack "$mnt"
assert_exit 2 quire mount -o direct_io,push=on "$tree.quire" "$mnt"
assert_says 'direct_io' 'push=on'

# readdirplus=off: listings without attributes, which come by look-ups.
mount_pack "$tree.quire" "$mnt" -o readdirplus=off
assert_equal "$(ls -lR "$mnt" | grep -v '^total')" "$(ls -lR "$tree" | sed "s|$tree|$mnt|" | grep -v '^total')"
diff -r "$tree" "$mnt"
umount_pack "$mnt"

# read_ahead_kb: root sets it after mounting; anybody else is told that it was not.
device() { mountpoint -d "$mnt"; }
read_ahead() { cat "/sys/class/bdi/$(device)/read_ahead_kb"; }
if is_root && [ -w "/sys/class/bdi" ]; then
  mount_pack "$tree.quire" "$mnt" -o read_ahead_kb=1024
  until_true 5 eval '[ "$(read_ahead)" = 1024 ]' || fail "read_ahead_kb is $(read_ahead)"
  diff -r "$tree" "$mnt"
  umount_pack "$mnt"
else
  leave_out 'read_ahead_kb: only root may set it'
fi
assert_exit 2 quire mount -o read_ahead_kb=much "$tree.quire" "$mnt"
assert_says 'read_ahead_kb=much' 'number'

# What programs ask besides: terminals, holes, positions, statx(2), space. Right the first time and ever after.
mount_pack "$tree.quire" "$mnt"
python3 - "$mnt" <<'PYTHON'
import errno, fcntl, os, sys, termios
path = sys.argv[1] + '/large'
def errno_of(call):
    try: call()
    except OSError as error: return error.errno
handle = os.open(path, os.O_RDONLY)
size = os.fstat(handle).st_size
for _ in range(2):
    assert errno_of(lambda: fcntl.ioctl(handle, termios.TCGETS, bytes(60))) == errno.ENOTTY
    assert not os.isatty(handle)
    assert os.lseek(handle, 5, os.SEEK_DATA) == 5 and os.lseek(handle, 5, os.SEEK_HOLE) == size
    assert errno_of(lambda: os.lseek(handle, size, os.SEEK_DATA)) == errno.ENXIO
    assert os.lseek(handle, -1, os.SEEK_END) == size - 1
    assert errno_of(lambda: os.posix_fallocate(handle, 0, 10)) == errno.EBADF
    assert errno_of(lambda: os.getxattr(path, 'user.none')) == errno.ENODATA
    assert os.access(path, os.R_OK)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
    with open(path, 'rb') as file: assert len(file.read()) == size
PYTHON
stat --printf= "$mnt/large" && stat -f --printf= "$mnt"
umount_pack "$mnt"
mount_pack "$scratch/holes.quire" "$mnt"
python3 - "$mnt/file" <<'PYTHON'
import os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
data = os.lseek(handle, 0, os.SEEK_DATA)
assert 0 < data <= 500000 < os.lseek(handle, data, os.SEEK_HOLE) < 1 << 20
PYTHON
umount_pack "$mnt"
pass
