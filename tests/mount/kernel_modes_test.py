#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: the same tree, byte by byte, however the kernel is told to treat it; and what it asks for without need gets the right
answer."""
import errno
import fcntl
import mmap
import os
import termios

import harness
import pytest
import trees

HOLE_BYTES, DATA_AT = 1 << 20, 500000  # a file of holes with four bytes of data


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, 3, 50, 30000)
    (tree / 'large').write_bytes(os.urandom(3000000))
    (tree / 'empty').touch()
    return tree


@pytest.fixture(name='packed', scope='module')
def make_pack(tree, module_scratch):
    harness.pack(tree, module_scratch / 'tree.quire')
    return module_scratch / 'tree.quire'


def assert_same_content(tree, mount):
    assert harness.run('diff', '-r', tree, mount.path, status=None).said == ''


def bytes_asked_for(mount):
    counters = mount.counters()
    return counters['hit_bytes'] + counters['missed_bytes']


def test_direct_io(tree, packed, mount):
    """The kernel keeps no bytes, so that reading twice asks twice; whole-file mmap(2) works privately."""
    shown = mount(packed, 'direct_io')
    assert_same_content(tree, shown)
    before = bytes_asked_for(shown)
    assert_same_content(tree, shown)
    size = sum(path.stat().st_size for path in tree.rglob('*') if path.is_file())
    assert bytes_asked_for(shown) - before >= size * 9 // 10
    push = shown.stats()['push']
    assert (push['is_pushing'], push['samples']) == (False, 0)
    with open(shown / 'large', 'rb') as file, mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == (tree / 'large').read_bytes()


@pytest.mark.usefixtures('mount')
def test_wrong_options_are_refused(packed, scratch, quire):
    folder = scratch / 'mnt'
    folder.mkdir()
    assert quire('mount', '-o', 'direct_io,push=on', packed, folder, status=2).says('direct_io', 'push=on')
    assert quire('mount', '-o', 'read_ahead_kb=much', packed, folder, status=2).says('read_ahead_kb=much', 'number')


def test_readdirplus_off(tree, packed, mount):
    """Listings without attributes, which come by look-ups."""
    def listing(folder):
        lines = harness.run('ls', '-lR', folder).out.replace(str(folder), '').splitlines()
        return [line for line in lines if not line.startswith('total')]

    shown = mount(packed, 'readdirplus=off')
    assert listing(shown.path) == listing(tree)
    assert_same_content(tree, shown)


def test_read_ahead_kb(tree, packed, mount):
    """Root sets it after mounting."""
    if not harness.is_root() or not os.access('/sys/class/bdi', os.W_OK):
        pytest.skip('read_ahead_kb: only root may set it')
    shown = mount(packed, 'read_ahead_kb=1024')
    device = shown.path.stat().st_dev
    shows = f'/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb'
    harness.until(5, lambda: harness.run('cat', shows).out == '1024\n', lambda: harness.run('cat', shows, status=None).said)
    assert_same_content(tree, shown)


def errno_of(call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return caught.value.errno


def test_what_programs_ask_besides(packed, mount):
    """Terminals, holes, positions, statx(2), space: right the first time and ever after."""
    shown = mount(packed)
    path = shown / 'large'
    with open(path, 'rb', buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(2):
            assert errno_of(fcntl.ioctl, file, termios.TCGETS, bytes(60)) == errno.ENOTTY
            assert not file.isatty()
            assert os.lseek(file.fileno(), 5, os.SEEK_DATA) == 5
            assert os.lseek(file.fileno(), 5, os.SEEK_HOLE) == size
            assert errno_of(os.lseek, file.fileno(), size, os.SEEK_DATA) == errno.ENXIO
            assert os.lseek(file.fileno(), -1, os.SEEK_END) == size - 1
            assert errno_of(os.posix_fallocate, file.fileno(), 0, 10) == errno.EBADF
            assert errno_of(os.getxattr, path, 'user.none') == errno.ENODATA
            assert os.access(path, os.R_OK)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
            assert len(path.read_bytes()) == size
    harness.run('stat', '--printf=', path)  # by statx(2)
    harness.run('stat', '-f', '--printf=', shown.path)


def test_holes(scratch, pack, mount):
    (scratch / 'tree').mkdir()
    with open(scratch / 'tree/file', 'wb') as file:
        file.seek(DATA_AT)
        file.write(b'data')
        file.truncate(HOLE_BYTES)
    pack(scratch / 'tree', scratch / 'holes.quire')
    shown = mount(scratch / 'holes.quire')
    with open(shown / 'file', 'rb') as file:
        data = os.lseek(file.fileno(), 0, os.SEEK_DATA)
        assert 0 < data <= DATA_AT < os.lseek(file.fileno(), data, os.SEEK_HOLE) < HOLE_BYTES


def test_file_that_is_one_hole(scratch, pack, mount):
    (scratch / 'tree').mkdir()
    with open(scratch / 'tree/file', 'wb') as file:
        file.truncate(HOLE_BYTES)
    pack(scratch / 'tree', scratch / 'hole.quire')
    shown = mount(scratch / 'hole.quire')
    with open(shown / 'file', 'rb') as file:
        for _ in range(2):
            assert errno_of(os.lseek, file.fileno(), 0, os.SEEK_DATA) == errno.ENXIO
            assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == 0
