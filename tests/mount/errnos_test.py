#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a mount answers what it cannot do with the errno that a read-only file system gives."""
import ctypes
import errno
import os
from os import O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY

import pytest

FILE_BYTES = 8


@pytest.fixture(name='folder', autouse=True)
def mount_and_enter(scratch, pack, mount, monkeypatch):
    """The working directory is a mount of a small tree, of which nothing may have changed at the end."""
    tree = scratch / 'tree'
    (tree / 'folder/empty').mkdir(parents=True)
    (tree / 'file').write_text('content\n')
    (tree / 'symlink').symlink_to('file')
    (tree / 'loop').symlink_to('loop')
    os.setxattr(tree / 'file', 'user.known', b'value')
    pack(tree, scratch / 'tree.quire')
    folder = mount(scratch / 'tree.quire').path
    with monkeypatch.context() as context:
        context.chdir(folder)
        yield folder
    assert (folder / 'file').read_text() == 'content\n'
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*'))
    assert left == ['file', 'folder', 'folder/empty', 'loop', 'symlink']


@pytest.fixture(name='opened')
def open_file():
    opened = os.open('file', O_RDONLY)
    yield opened
    os.close(opened)


def outcome(call, *arguments):
    try:
        call(*arguments)
        return 'success'
    except OSError as error:
        return errno.errorcode[error.errno]


WRITES = {
    'open for writing': ('EROFS', os.open, 'file', O_WRONLY),
    'open for reading and writing': ('EROFS', os.open, 'file', O_RDWR),
    'open to append': ('EROFS', os.open, 'file', O_WRONLY | O_APPEND),
    'open with O_TRUNC': ('EROFS', os.open, 'file', O_WRONLY | O_TRUNC),
    'create': ('EROFS', os.open, 'new', O_WRONLY | O_CREAT),
    'create in a folder': ('EROFS', os.open, 'folder/new', O_WRONLY | O_CREAT | O_EXCL),
    'unnamed file': ('EROFS|EOPNOTSUPP', os.open, 'folder', O_WRONLY | O_TMPFILE),
    'mkdir': ('EROFS', os.mkdir, 'new'),
    'mkfifo': ('EROFS', os.mkfifo, 'new'),
    'symlink': ('EROFS', os.symlink, 'target', 'new'),
    'link': ('EROFS', os.link, 'file', 'new'),
    'unlink': ('EROFS', os.unlink, 'file'),
    'unlink a symlink': ('EROFS', os.unlink, 'symlink'),
    'rmdir': ('EROFS', os.rmdir, 'folder/empty'),
    'rename': ('EROFS', os.rename, 'file', 'new'),
    'rename over another': ('EROFS', os.rename, 'file', 'symlink'),
    'truncate': ('EROFS', os.truncate, 'file', 0),
    'chmod': ('EROFS', os.chmod, 'file', 0o600),
    'chmod of a folder': ('EROFS', os.chmod, 'folder', 0o700),
    'chown': ('EROFS', os.chown, 'file', os.getuid(), os.getgid()),
    'lchown': ('EROFS', os.lchown, 'symlink', os.getuid(), os.getgid()),
    'utime': ('EROFS', os.utime, 'file'),
    'setxattr': ('EROFS', os.setxattr, 'file', 'user.new', b'x'),
    'setxattr of a known one': ('EROFS', os.setxattr, 'file', 'user.known', b'x'),
    'removexattr': ('EROFS', os.removexattr, 'file', 'user.known'),
}
# What is not there, or is something else.
OTHERS = {
    'stat of no file': ('ENOENT', os.stat, 'none'),
    'open of no file': ('ENOENT', os.open, 'none', O_RDONLY),
    'open behind no folder': ('ENOENT', os.open, 'none/file', O_RDONLY),
    'open of no file, again': ('ENOENT', os.open, 'none', O_RDONLY),
    'a file as folder': ('ENOTDIR', os.stat, 'file/below'),
    'listing a file': ('ENOTDIR', os.listdir, 'file'),
    'O_DIRECTORY of a file': ('ENOTDIR', os.open, 'file', O_RDONLY | O_DIRECTORY),
    'open of a folder for writing': ('EISDIR|EROFS', os.open, 'folder', O_WRONLY),
    'a name of 256 bytes': ('ENAMETOOLONG', os.stat, 'n' * 256),
    'a name of 256 bytes in a folder': ('ENAMETOOLONG', os.stat, 'folder/' + 'n' * 256),
    'a name of 255 bytes': ('ENOENT', os.stat, 'n' * 255),
    'a path of 5,000 bytes': ('ENAMETOOLONG', os.stat, 'n/' * 2500),
    'a symlink to itself': ('ELOOP', os.open, 'loop', O_RDONLY),
    'O_NOFOLLOW of a symlink': ('ELOOP', os.open, 'symlink', O_RDONLY | O_NOFOLLOW),
    'readlink of a file': ('EINVAL', os.readlink, 'file'),
    'mkdir over a folder': ('EEXIST', os.mkdir, 'folder'),
    'link from outside': ('EXDEV|EROFS', os.link, '/proc/self/stat', 'new'),
    'getxattr of none': ('ENODATA', os.getxattr, 'file', 'user.none'),
    'getxattr of none of a folder': ('ENODATA', os.getxattr, 'folder', 'user.none'),
    'getxattr of another namespace': ('ENODATA|EOPNOTSUPP', os.getxattr, 'file', 'trusted.none'),
    'getxattr of security.capability': ('ENODATA|EOPNOTSUPP', os.getxattr, 'file', 'security.capability'),
}


@pytest.mark.parametrize('calls', [WRITES, OTHERS], ids=['writes', 'others'])
def test_refused_calls(calls):
    got = {what: outcome(*call[1:]) for what, call in calls.items()}
    assert {what: name for what, name in got.items() if name not in calls[what][0].split('|')} == {}


def test_what_a_file_opened_for_reading_refuses(opened):
    assert outcome(os.write, opened, b'x') == 'EBADF'
    assert outcome(os.ftruncate, opened, 0) in ('EINVAL', 'EBADF')
    assert outcome(os.fchmod, opened, 0o600) == 'EROFS'
    assert not os.access('file', os.W_OK)


def test_folder_is_not_read():
    opened = os.open('folder', O_RDONLY)
    try:
        assert outcome(os.read, opened, 1) == 'EISDIR'
    finally:
        os.close(opened)


def test_extended_attributes():
    assert os.listxattr('folder') == []
    assert os.getxattr('file', 'user.known') == b'value'
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.getxattr(b'file', b'user.known', ctypes.create_string_buffer(1), 1) == -1
    assert ctypes.get_errno() == errno.ERANGE


def test_reads_behind_the_end_and_seeks(opened):
    assert os.pread(opened, 100, FILE_BYTES) == os.pread(opened, 100, 1 << 40) == b''
    assert os.pread(opened, 100, FILE_BYTES - 1) == b'\n'
    assert outcome(os.lseek, opened, -1, os.SEEK_SET) == 'EINVAL'
    assert os.lseek(opened, 0, os.SEEK_END) == FILE_BYTES
    assert outcome(os.lseek, opened, 100, os.SEEK_DATA) in ('EINVAL', 'ENXIO')
