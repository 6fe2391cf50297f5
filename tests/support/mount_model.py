# SPDX-License-Identifier: Apache-2.0
"""What a mount must answer, told by the tree that was packed: each call is made on both, and values or errnos are compared.

fs/SEMANTICS.md says where a mount answers otherwise than the tree; that is what the methods of Model know."""
import ctypes
import errno
import mmap
import os
import stat

BLOCK_BYTES = 512  # st_blocks counts them
HOLE_UNIT_BYTES = 4096  # a pack's holes are of whole ones
DIRECTORY_BYTES = 4096  # st_size of every folder of a mount
libc = ctypes.CDLL(None, use_errno=True)


class Dirent(ctypes.Structure):
    _fields_ = [('inode', ctypes.c_uint64), ('position', ctypes.c_int64), ('length', ctypes.c_uint16), ('type', ctypes.c_uint8),
                ('name', ctypes.c_char * 256)]


libc.opendir.restype = ctypes.c_void_p
libc.opendir.argtypes = [ctypes.c_char_p]
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.telldir.restype = ctypes.c_long
for function in libc.readdir, libc.telldir, libc.closedir:
    function.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]


class Directory:
    """An open folder, by readdir(3) and its kin, which Python does not have."""

    def __init__(self, path):
        self.stream = libc.opendir(path)
        if not self.stream:
            raise OSError(ctypes.get_errno(), 'opendir')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        libc.closedir(self.stream)

    def read(self):
        """The next entry: its name, type as in st_mode, and inode; None at the end."""
        ctypes.set_errno(0)
        entry = libc.readdir(self.stream)
        if not entry and ctypes.get_errno() != 0:
            raise OSError(ctypes.get_errno(), 'readdir')
        return (entry.contents.name, entry.contents.type << 12, entry.contents.inode) if entry else None

    def tell(self):
        return libc.telldir(self.stream)

    def seek(self, position):
        libc.seekdir(self.stream, position)


def outcome(call, *arguments):
    """The value of a call, or the name of its errno."""
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def opened(call):
    """Lets a call have a descriptor instead of a path."""
    def open_and_call(path, *arguments):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return call(descriptor, *arguments)
        finally:
            os.close(descriptor)
    return open_and_call


def read_mapped(descriptor, sharing, begin, length):
    size = os.fstat(descriptor).st_size
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or size == 0:
        return None  # nothing that could be mapped
    with mmap.mmap(descriptor, 0, flags=sharing, prot=mmap.PROT_READ) as mapped:
        return mapped[begin:begin + length]


def read_several(descriptor, places):
    return [os.pread(descriptor, length, offset) for offset, length in places]


def open_and_tell(path, flags):
    """Which kind of file an open finds."""
    descriptor = os.open(path, flags)
    try:
        return stat.S_IFMT(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def forget(descriptor):
    """Lets the kernel drop what it holds of a file, so that the next read is the daemon's."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def list_attributes(path):
    return sorted(name for name in os.listxattr(path, follow_symlinks=False) if name.startswith('user.'))


def get_attribute(path, name):
    return os.getxattr(path, name, follow_symlinks=False)


def find_data(path):
    """Where a file of the tree has data, [(begin, end)...], as `quire pack` sees it: one that takes as much space as it has
    bytes, its attributes counted, is not asked for holes."""
    with open(path, 'rb') as file:
        descriptor, found, end = file.fileno(), [], 0
        size, blocks = os.fstat(descriptor).st_size, os.fstat(descriptor).st_blocks
        if blocks * BLOCK_BYTES >= size:
            return [(0, size)] if size else []
        try:
            while True:
                data = os.lseek(descriptor, end, os.SEEK_DATA)
                hole = os.lseek(descriptor, data, os.SEEK_HOLE)
                begin = data // HOLE_UNIT_BYTES * HOLE_UNIT_BYTES
                end = min(-(-hole // HOLE_UNIT_BYTES) * HOLE_UNIT_BYTES, size)
                if found and found[-1][1] >= begin:
                    begin = found.pop()[0]
                found.append((begin, end))
        except OSError as error:
            assert error.errno == errno.ENXIO
            return found


def seek_in(path, whence, offset):
    """What lseek(2) must answer of a file whose data lies where find_data() says."""
    if offset >= os.path.getsize(path):
        return 'ENXIO'
    for begin, end in find_data(path):
        if offset < end:
            return max(offset, begin) if whence == os.SEEK_DATA else offset if offset < begin else end
    return offset if whence == os.SEEK_HOLE else 'ENXIO'


def count_folders(path):
    return sum(entry.is_dir(follow_symlinks=False) for entry in os.scandir(path))


def expected_status(path):
    """What lstat(2) must find in an image of a path of the tree."""
    status = os.lstat(path)
    expected = {'mode': status.st_mode, 'uid': status.st_uid, 'gid': status.st_gid, 'size': status.st_size, 'nlink': status.st_nlink,
                'blksize': 4096, 'blocks': 0, **dict.fromkeys(('mtime', 'atime', 'ctime'), status.st_mtime_ns)}
    if stat.S_ISDIR(status.st_mode):
        expected |= {'size': DIRECTORY_BYTES, 'nlink': 2 + count_folders(path)}
    elif stat.S_ISREG(status.st_mode):
        expected['blocks'] = -(-sum(end - begin for begin, end in find_data(path)) // BLOCK_BYTES)
    return expected


def status_of(path):
    status = os.lstat(path)
    return {'mode': status.st_mode, 'uid': status.st_uid, 'gid': status.st_gid, 'mtime': status.st_mtime_ns,
            'atime': status.st_atime_ns, 'ctime': status.st_ctime_ns, 'size': status.st_size, 'nlink': status.st_nlink,
            'blksize': status.st_blksize, 'blocks': status.st_blocks}


class Model:
    """A tree, and a view of it, whose paths are as long. Each method makes one call on both and compares; its arguments were
    drawn before, so that it can be made again."""

    def __init__(self, tree, view):
        self.tree, self.view = os.fsencode(tree), os.fsencode(view)
        self.positions = {}  # of folders: what telldir(3) said before each entry

    def compare(self, path, call, *arguments):
        expected, got = outcome(call, self.tree + path, *arguments), outcome(call, self.view + path, *arguments)
        assert got == expected, f'{getattr(call, "__name__", call)}{(path, *arguments)}'
        return got

    def lstat(self, path):
        assert outcome(status_of, self.view + path) == outcome(expected_status, self.tree + path)

    def plain(self, path, call, *arguments):
        self.compare(path, call, *arguments)

    def access(self, path, mode):
        """REQUIRES: root, whom modes do not stop."""
        expected = outcome(lambda: os.stat(self.tree + path) and os.access(self.tree + path, mode))
        if mode & os.W_OK and expected is True:
            expected = False
        assert outcome(lambda: os.stat(self.view + path) and os.access(self.view + path, mode)) == expected

    def change(self, path, call, *arguments):
        """What would change the tree is not tried on it."""
        is_there = outcome(os.lstat, self.tree + path)
        expected = {'EROFS'} if isinstance(is_there, os.stat_result) else {'EROFS', is_there}
        if call is os.mkdir and isinstance(is_there, os.stat_result):
            expected = {'EEXIST'}
        assert outcome(call, self.view + path, *arguments) in expected

    def open_to_write(self, path, flags):
        """EROFS where the tree would have allowed it."""
        found = outcome(open_and_tell, self.tree + path, os.O_RDONLY | os.O_NONBLOCK | flags & os.O_NOFOLLOW)
        expected = {'EROFS'} if found == stat.S_IFREG else {'EISDIR', 'EROFS'} if found == stat.S_IFDIR else {found}
        if found == 'ENOENT' and flags & os.O_CREAT:
            expected.add('EROFS')
        assert outcome(open_and_tell, self.view + path, flags) in expected

    def open_to_read(self, path, flags):
        self.compare(path, open_and_tell, flags)

    def open_to_create(self, path, flags):
        """Creates nothing, and opens what is there."""
        found = outcome(open_and_tell, self.tree + path, os.O_RDONLY | os.O_NONBLOCK)
        expected = {'EROFS', 'ENOENT'} if found == 'ENOENT' else {'EISDIR'} if found == stat.S_IFDIR else {found}
        if flags & os.O_EXCL and os.path.lexists(self.tree + path):
            expected = {'EEXIST', 'EISDIR'} if found == stat.S_IFDIR else {'EEXIST'}
        assert outcome(open_and_tell, self.view + path, flags) in expected

    def list(self, path):
        """Entries in their order with types and inodes, and positions."""
        expected = outcome(os.listdir, self.tree + path)
        if not isinstance(expected, list):
            assert outcome(os.listdir, self.view + path) == expected
            return
        if path in (b'', b'/') and not os.path.lexists(self.tree + b'/.quire'):
            assert b'.quire' not in expected
        positions, entries = [], []
        with Directory(self.view + path) as directory:
            while True:
                positions.append(directory.tell())
                entry = directory.read()
                if entry is None:
                    break
                entries.append(entry)
        assert [name for name, _, _ in entries] == [b'.', b'..'] + sorted(expected)
        for name, kind, inode in entries[2:]:
            source, shown = os.lstat(self.tree + path + b'/' + name), os.lstat(self.view + path + b'/' + name)
            assert kind == stat.S_IFMT(source.st_mode) and inode == shown.st_ino, name
        self.positions[path] = positions, entries

    def seek_in_list(self, path, numbers):
        """Positions stay valid, in other streams too."""
        if path not in self.positions:
            self.list(path)
        if path not in self.positions:
            return
        positions, entries = self.positions[path]
        with Directory(self.view + path) as directory:
            for number in numbers:
                number %= len(positions)
                directory.seek(positions[number])
                found = directory.read()
                assert found == (entries[number] if number < len(entries) else None), (path, number)

    def seek(self, path, whence, offset):
        assert outcome(opened(os.lseek), self.view + path, offset, whence) == seek_in(self.tree + path, whence, offset)

    def same_inode(self, path, other):
        """Hard links have one inode, and nothing else does."""
        expected = outcome(lambda: os.path.samestat(os.lstat(self.tree + path), os.lstat(self.tree + other)))
        assert outcome(lambda: os.path.samestat(os.lstat(self.view + path), os.lstat(self.view + other))) == expected

    def plan(self, paths):
        """Changes nothing but how quickly reads are answered."""
        if not os.path.lexists(self.tree + b'/.quire'):
            with open(self.view + b'/.quire/plan', 'wb') as pipe:
                pipe.write(b''.join(path[1:] + b'\0' for path in paths))
