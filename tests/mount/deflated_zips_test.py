#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: deflated members of zips are files like others: equal to what other programs make of them, and damage harms the member it hits."""
import concurrent.futures
import hashlib
import mmap
import os
import pathlib
import random
import struct
import subprocess
import time
import zipfile
import zlib

import harness
import process_trend
import pytest

PAGE = 2 << 20


def text(size, seed):
    """Bytes that deflate makes less of."""
    return random.Random(seed).randbytes((size + 1) // 2).hex().encode()[:size]


def make_zip(path, members):
    """members: {name: bytes}"""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def data_range(path, name):
    """Where in the archive the deflated bytes of a member lie."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
    header = path.read_bytes()[info.header_offset:info.header_offset + 30]
    name_bytes, extra_bytes = struct.unpack('<HH', header[26:30])
    begin = info.header_offset + 30 + name_bytes + extra_bytes
    return begin, begin + info.compress_size


WRITERS = {
    'zip': ('zip', '-qry'), 'zip -9': ('zip', '-qry9'),
    'bsdtar': ('bsdtar', '--format', 'zip', '-cf'),  # puts sizes and sums behind the data
}


@pytest.mark.parametrize('writer', WRITERS)
def test_mount_of_a_deflated_zip_equals_what_is_extracted_of_it(scratch, mount, quire, writer):
    numbers = random.Random(writer)
    folder = scratch / 'tree'
    for number in range(150):
        parent = folder / '/'.join(f'folder {numbers.randrange(3)}' for _ in range(numbers.randrange(4)))
        parent.mkdir(parents=True, exist_ok=True)
        name = parent / f'sämple {number}'
        size = numbers.choice([0, 1, 17, 300, 5000, 70_000, 700_000])
        name.write_bytes(numbers.choice([text(size, number), bytes(size), numbers.randbytes(size)]))
        name.chmod(numbers.choice([0o644, 0o600, 0o755]))
    (folder / 'long').write_bytes(text(5 * PAGE + 77, 1))
    (folder / 'a page').write_bytes(text(PAGE, 1))
    (folder / 'zeros').write_bytes(bytes(40 * PAGE + 17))
    (folder / 'link').symlink_to('long')
    archive = scratch / 'tree.zip'
    harness.run(*WRITERS[writer], archive, '.', cwd=folder)
    (scratch / 'extracted').mkdir()
    harness.run('bsdtar', '-xf', archive, '-C', scratch / 'extracted')
    quire('verify', archive)
    mounted = mount(archive)
    quire('diff', archive, scratch / 'extracted', '--ignore', 'mtime,owner,xattrs')
    harness.run('diff', '-r', '--no-dereference', scratch / 'extracted', mounted.folder)
    out = scratch / 'out'
    quire('extract', archive, '-C', out)
    harness.run('diff', '-r', '--no-dereference', scratch / 'extracted', out)


def test_samples_are_read_from_everywhere_in_any_order(scratch, mount, quire):
    numbers = random.Random(3)
    members = {f'{i:04}': text(numbers.randrange(1, 120_000), i) for i in range(300)}
    members['long'] = text(7 * PAGE + 1234, 1)
    archive = make_zip(scratch / 'a.zip', members)
    mounted = mount(archive, 'cache_size=32M')
    names = sorted(members) * 2
    numbers.shuffle(names)

    def read(name):
        if name == 'long':
            with open(mounted / name, 'rb') as file:
                for _ in range(40):
                    offset = numbers.randrange(len(members[name]))
                    assert os.pread(file.fileno(), 9000, offset) == members[name][offset:offset + 9000]
                with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                    assert mapped[6 * PAGE - 10:6 * PAGE + 10] == members[name][6 * PAGE - 10:6 * PAGE + 10]
        return (mounted / name).read_bytes() == members[name]

    with concurrent.futures.ThreadPoolExecutor(8) as readers:
        assert all(readers.map(read, names))
    assert quire('cat', archive, 'long').stdout == members['long']


def test_damage_harms_the_member_that_it_hits(scratch, mount, quire):
    members = {f'{i:04}': text(5000, i) for i in range(50)}
    archive = make_zip(scratch / 'a.zip', members)
    quire('verify', archive)  # which makes the index
    begin, end = data_range(archive, '0020')
    harness.flip(archive, (begin + end) // 2)
    mounted = mount(archive)
    for name, data in members.items():
        if name == '0020':
            with pytest.raises(OSError, match='Input/output'):
                (mounted / name).read_bytes()
        else:
            assert (mounted / name).read_bytes() == data
    quire('verify', archive, status=1).says('sample damaged: 0020')
    out = scratch / 'out'
    quire('extract', '--keep-going', archive, '-C', out, status=1).says('0020')
    assert sorted(os.listdir(out)) == sorted(set(members) - {'0020'})


def test_damage_to_a_long_member_is_an_error_from_there_on(scratch, mount, quire):
    members = {'long': text(6 * PAGE, 1), 'short': b'short'}
    archive = make_zip(scratch / 'a.zip', members)
    quire('verify', archive)
    begin, end = data_range(archive, 'long')
    harness.flip(archive, (begin + end) // 2)
    mounted = mount(archive)
    with open(mounted / 'long', 'rb') as file:
        assert os.pread(file.fileno(), 4096, PAGE) == members['long'][PAGE:PAGE + 4096]
        with pytest.raises(OSError, match='Input/output'):
            os.pread(file.fileno(), 4096, 6 * PAGE - 4096)
    assert (mounted / 'short').read_bytes() == b'short'
    quire('verify', archive, status=1).says('sample damaged: long')


def test_sums_of_an_index_are_those_of_right_bytes_only(scratch, quire):
    members = {'a': text(5000, 1), 'damaged': text(5000, 2), 'long': text(3 * PAGE, 3)}
    archive = make_zip(scratch / 'a.zip', members)
    with zipfile.ZipFile(archive, 'a', zipfile.ZIP_STORED) as stored:
        stored.writestr('stored', b'a sample that is stored')
    quire('index', archive, '-o', scratch / 'good.quire', '--sums')
    quire('verify', scratch / 'good.quire')
    for name in ('damaged', 'stored'):
        begin, end = data_range(archive, name)
        harness.flip(archive, (begin + end) // 2)
    told = quire('index', archive, '-o', scratch / 'bad.quire', '--sums', status=1)
    told.says('damaged: its bytes do not have the sum that the archive states')
    told.says('stored: its bytes do not have the sum that the archive states')
    found = quire('verify', scratch / 'bad.quire', status=1)
    for name in ('damaged', 'stored'):
        found.says(f'sample damaged: {name}')
    assert quire('cat', scratch / 'bad.quire', 'a').stdout == members['a']
    assert quire('cat', scratch / 'bad.quire', 'long').stdout == members['long']


def test_an_archive_that_changes_below_a_mount_gives_errors(scratch, mount):
    archive = make_zip(scratch / 'a.zip', {f'{i}': text(PAGE + 100_000, i) for i in range(8)})
    mounted = mount(archive, 'cache_size=16M')
    assert (mounted / '0').read_bytes() == text(PAGE + 100_000, 0)
    os.truncate(archive, archive.stat().st_size // 2)
    with pytest.raises(OSError, match='Input/output'):
        (mounted / '7').read_bytes()


def bomb(path, name, size):
    """A member of `size` zeros, as the bytes of a deflated one that need no gigabytes to make."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = bytes(1 << 20)
    crc = 0
    data = b''
    for _ in range(size >> 20):
        data += packer.compress(chunk)
        crc = zlib.crc32(chunk, crc)
    data += packer.flush()
    local = struct.pack('<IHHHHHIIIHH', 0x04034b50, 20, 0, 8, 0, 33, crc, len(data), size, len(name), 0) + name
    central = struct.pack('<IHHHHHHIIIHHHHHII', 0x02014b50, 20, 20, 0, 8, 0, 33, crc, len(data), size, len(name), 0, 0, 0, 0,
                          0, 0) + name
    offset = len(local) + len(data)
    end = struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, 1, 1, len(central), offset, 0)
    path.write_bytes(local + data + central + end)
    return path


def test_a_bomb_is_a_large_file_and_no_memory(scratch, mount, quire):
    size = 1 << 30
    archive = bomb(scratch / 'bomb.zip', b'bomb', size)
    assert archive.stat().st_size < 2 << 20
    mounted = mount(archive, 'cache_size=16M')
    assert (mounted / 'bomb').stat().st_size == size
    with open(mounted / 'bomb', 'rb') as file:
        for offset in (size - 4096, 0, size // 2, size - 4096):
            assert os.pread(file.fileno(), 4096, offset) == bytes(4096)
    assert process_trend.look_at(mounted.daemon())['memory'] < 120 << 20
    # One that declares more than it can be is left out.
    data = bytearray(archive.read_bytes())
    for signature, at in ((b'PK\x03\x04', 22), (b'PK\x01\x02', 24)):
        data[data.index(signature) + at:data.index(signature) + at + 4] = struct.pack('<I', 0xfffffff0)
    lie = scratch / 'lie.zip'
    lie.write_bytes(data)
    quire('index', lie, '-o', scratch / 'lie.quire', status=1).says('more than deflate can do')


def endless(path, size, others):
    """A member `bomb` of `size` zeros, which takes no time to make; its sum is wrong. Before it stand `others`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = piece * (size >> 20) + packer.flush()
    make_zip(path, others | {'bomb': b''})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo('bomb').header_offset
    extra = struct.pack('<HHQQ', 1, 16, size, len(data))
    head = struct.pack('<IHHHHHIIIHH', 0x04034b50, 45, 0, 8, 0, 33, 1, 0xffffffff, 0xffffffff, 4, len(extra)) + b'bomb' + extra
    whole = path.read_bytes()
    central = whole[whole.index(b'PK\x01\x02'):whole.index(b'PK\x05\x06')]
    central = central[:central.rindex(b'PK\x01\x02')] + struct.pack(
        '<IHHHHHHIIIHHHHHII', 0x02014b50, 45, 45, 0, 8, 0, 33, 1, 0xffffffff, 0xffffffff, 4, len(extra), 0, 0, 0, 0,
        at) + b'bomb' + extra
    count = len(others) + 1
    offset = at + len(head) + len(data)
    path.write_bytes(whole[:at] + head + data + central +
                     struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, count, count, len(central), offset, 0))
    return path


def test_a_long_decode_holds_up_nobody_else_and_no_umount(scratch, mount):
    others = {f'{i}': text(5000, i) for i in range(20)} | {'long': text(3 * PAGE, 1)}
    size = 48 << 30
    archive = endless(scratch / 'a.zip', size, others)
    mounted = mount(archive)
    assert (mounted / 'bomb').stat().st_size == size
    readers = [subprocess.Popen(['dd', f'if={mounted / "bomb"}', 'of=/dev/null', 'bs=4096', 'count=1',
                                 f'skip={(size >> 12) - 1 - i * 100_000}'], stderr=subprocess.DEVNULL) for i in range(12)]
    time.sleep(1)
    begun = time.monotonic()
    for name, data in others.items():
        assert (mounted / name).read_bytes() == data
    assert time.monotonic() - begun < 20
    for reader in readers:
        assert reader.poll() is None, 'the decode was too short to hold up anybody'
        reader.kill()
        reader.wait()
    begun = time.monotonic()
    mounted.unmount()
    assert time.monotonic() - begun < 10


def test_members_are_repacked_and_exported(scratch, quire):
    members = {f'{i:03}.txt': text(20_000, i) for i in range(40)} | {'long': text(3 * PAGE + 5, 1)}
    archive = make_zip(scratch / 'a.zip', members)
    quire('pack', '--from', archive, '-o', scratch / 'a.quire')
    quire('verify', scratch / 'a.quire')
    for name, data in members.items():
        assert hashlib.sha256(quire('cat', scratch / 'a.quire', name).stdout).digest() == hashlib.sha256(data).digest()
    quire('export', archive, '--to', 'tar', '-o', scratch / 'a.tar')
    (scratch / 'extracted').mkdir()
    subprocess.run(['tar', '-xf', scratch / 'a.tar', '-C', scratch / 'extracted'], check=True)
    for name, data in members.items():
        assert pathlib.Path(scratch / 'extracted' / name).read_bytes() == data
