#!/bin/bash
# Goal: a mount answers what it cannot do with the errno that a read-only file system gives.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir -p "$scratch/tree/folder/empty"
echo content >"$scratch/tree/file"
ln -s file "$scratch/tree/symlink"
ln -s loop "$scratch/tree/loop"
setfattr -n user.known -v value "$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/mnt"

cd "$scratch/mnt"
python3 - <<'PYTHON'
import errno, os, sys

failures = 0
def expect(wanted, what, call):
    global failures
    try:
        call()
        got = 'success'
    except OSError as error:
        got = errno.errorcode[error.errno]
    if got not in wanted.split('|'):
        failures += 1
        print(f'{what}: {got}, not {wanted}')

# Every kind of write.
expect('EROFS', 'open for writing', lambda: os.open('file', os.O_WRONLY))
expect('EROFS', 'open for reading and writing', lambda: os.open('file', os.O_RDWR))
expect('EROFS', 'open to append', lambda: os.open('file', os.O_WRONLY | os.O_APPEND))
expect('EROFS', 'open with O_TRUNC', lambda: os.open('file', os.O_WRONLY | os.O_TRUNC))
expect('EROFS', 'create', lambda: os.open('new', os.O_WRONLY | os.O_CREAT))
expect('EROFS', 'create in a folder', lambda: os.open('folder/new', os.O_WRONLY | os.O_CREAT | os.O_EXCL))
expect('EROFS|EOPNOTSUPP', 'unnamed file', lambda: os.open('folder', os.O_WRONLY | os.O_TMPFILE))
expect('EROFS', 'mkdir', lambda: os.mkdir('new'))
expect('EROFS', 'mkfifo', lambda: os.mkfifo('new'))
expect('EROFS', 'symlink', lambda: os.symlink('target', 'new'))
expect('EROFS', 'link', lambda: os.link('file', 'new'))
expect('EROFS', 'unlink', lambda: os.unlink('file'))
expect('EROFS', 'unlink a symlink', lambda: os.unlink('symlink'))
expect('EROFS', 'rmdir', lambda: os.rmdir('folder/empty'))
expect('EROFS', 'rename', lambda: os.rename('file', 'new'))
expect('EROFS', 'rename over another', lambda: os.rename('file', 'symlink'))
expect('EROFS', 'truncate', lambda: os.truncate('file', 0))
expect('EROFS', 'chmod', lambda: os.chmod('file', 0o600))
expect('EROFS', 'chmod of a folder', lambda: os.chmod('folder', 0o700))
expect('EROFS', 'chown', lambda: os.chown('file', os.getuid(), os.getgid()))
expect('EROFS', 'lchown', lambda: os.lchown('symlink', os.getuid(), os.getgid()))
expect('EROFS', 'utime', lambda: os.utime('file'))
expect('EROFS', 'setxattr', lambda: os.setxattr('file', 'user.new', b'x'))
expect('EROFS', 'setxattr of a known one', lambda: os.setxattr('file', 'user.known', b'x'))
expect('EROFS', 'removexattr', lambda: os.removexattr('file', 'user.known'))
fd = os.open('file', os.O_RDONLY)
expect('EBADF', 'write to a file opened for reading', lambda: os.write(fd, b'x'))
expect('EINVAL|EBADF', 'ftruncate of a file opened for reading', lambda: os.ftruncate(fd, 0))
expect('EROFS', 'fchmod', lambda: os.fchmod(fd, 0o600))
if os.access('file', os.W_OK): failures += 1; print('access says that the file can be written')

# What is not there, or is something else.
expect('ENOENT', 'stat of no file', lambda: os.stat('none'))
expect('ENOENT', 'open of no file', lambda: os.open('none', os.O_RDONLY))
expect('ENOENT', 'open behind no folder', lambda: os.open('none/file', os.O_RDONLY))
expect('ENOENT', 'open of no file, again', lambda: os.open('none', os.O_RDONLY))
expect('ENOTDIR', 'a file as folder', lambda: os.stat('file/below'))
expect('ENOTDIR', 'listing a file', lambda: os.listdir('file'))
expect('ENOTDIR', 'O_DIRECTORY of a file', lambda: os.open('file', os.O_RDONLY | os.O_DIRECTORY))
expect('EISDIR', 'reading a folder', lambda: os.read(os.open('folder', os.O_RDONLY), 1))
expect('EISDIR|EROFS', 'open of a folder for writing', lambda: os.open('folder', os.O_WRONLY))
expect('ENAMETOOLONG', 'a name of 256 bytes', lambda: os.stat('n' * 256))
expect('ENAMETOOLONG', 'a name of 256 bytes in a folder', lambda: os.stat('folder/' + 'n' * 256))
expect('ENOENT', 'a name of 255 bytes', lambda: os.stat('n' * 255))
expect('ENAMETOOLONG', 'a path of 5,000 bytes', lambda: os.stat('n/' * 2500))
expect('ELOOP', 'a symlink to itself', lambda: os.open('loop', os.O_RDONLY))
expect('ELOOP', 'O_NOFOLLOW of a symlink', lambda: os.open('symlink', os.O_RDONLY | os.O_NOFOLLOW))
expect('EINVAL', 'readlink of a file', lambda: os.readlink('file'))
expect('EEXIST', 'mkdir over a folder', lambda: os.mkdir('folder'))
expect('EXDEV|EROFS', 'link from outside', lambda: os.link('/proc/self/stat', 'new'))
expect('ENODATA', 'getxattr of none', lambda: os.getxattr('file', 'user.none'))
expect('ENODATA', 'getxattr of none of a folder', lambda: os.getxattr('folder', 'user.none'))
expect('ENODATA|EOPNOTSUPP', 'getxattr of another namespace', lambda: os.getxattr('file', 'trusted.none'))
expect('ENODATA|EOPNOTSUPP', 'getxattr of security.capability', lambda: os.getxattr('file', 'security.capability'))
if os.listxattr('folder') != []: failures += 1; print('listxattr of none:', os.listxattr('folder'))
if os.getxattr('file', 'user.known') != b'value': failures += 1; print('getxattr of a known one')
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.getxattr(b'file', b'user.known', ctypes.create_string_buffer(1), 1) != -1 or ctypes.get_errno() != errno.ERANGE:
    failures += 1; print('getxattr into one byte: errno', ctypes.get_errno())

# Reads at and behind the end, and a seek before the start.
if os.pread(fd, 100, 8) != b'' or os.pread(fd, 100, 1 << 40) != b'': failures += 1; print('bytes behind the end')
if os.pread(fd, 100, 7) != b'\n': failures += 1; print('the last byte')
expect('EINVAL', 'seek before the start', lambda: os.lseek(fd, -1, os.SEEK_SET))
if os.lseek(fd, 0, os.SEEK_END) != 8: failures += 1; print('seek to the end')
expect('EINVAL|ENXIO', 'seek to data behind the end', lambda: os.lseek(fd, 100, os.SEEK_DATA))
sys.exit(failures > 0)
PYTHON

# And nothing came of any of it.
cd "$scratch"
assert_equal "$(cat mnt/file)" content
assert_equal "$(find mnt | sort | tr '\n' ' ')" 'mnt mnt/file mnt/folder mnt/folder/empty mnt/loop mnt/symlink '
pass
