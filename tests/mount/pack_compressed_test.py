#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire pack --from` of an archive that only libarchive reads is the pack of its extracted tree, to the byte, and what cannot
be read of it is named, costs nobody a file and leaves nothing behind."""
import bz2
import gzip
import lzma
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import tarfile
import zipfile

import harness
import pytest
from random_tree import RandomTree

TAR = ('tar', '--numeric-owner', '--xattrs', '--xattrs-include=user.*', '--format=pax')
MIB = 1 << 20


def run_program(name):
    return lambda data: subprocess.run([name, '-c', '-q'], input=data, stdout=subprocess.PIPE, check=True).stdout


# As fast as each can: most of what is compressed is random.
COMPRESSIONS = {'gz': lambda data: gzip.compress(data, 1), 'bz2': lambda data: bz2.compress(data, 1),
                'xz': lambda data: lzma.compress(data, preset=0), 'zst': run_program('zstd'), 'lz4': run_program('lz4'),
                'lzma': lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0)}
# What bsdtar writes and libarchive reads; names of Unicode, and of cpio and ISO 9660 hard links as well.
FORMATS = {'7zip': '7z', 'zip': 'zip', 'newc': 'cpio', 'odc': 'cpio', 'iso9660': 'iso', 'xar': 'xar'}


def pack_from(source, output, *options, **how):
    __tracebackhide__ = True
    return harness.quire('pack', '--progress', 'never', '--from', source, '-o', output, *options, **how)


def compress(path, suffix):
    """Beside `path`, as path.SUFFIX."""
    if suffix in ('zst', 'lz4') and not shutil.which({'zst': 'zstd'}.get(suffix, suffix)):
        pytest.skip(f'nothing compresses to .{suffix} here')
    compressed = path.with_name(f'{path.name}.{suffix}')
    compressed.write_bytes(COMPRESSIONS[suffix](path.read_bytes()))
    return compressed


def bsdtar(*arguments):
    return harness.run('bsdtar', *arguments, env={**os.environ, 'LC_ALL': 'C.UTF-8'})


def extract(archive, tree, folder):
    """Only root's extraction keeps owners, by which all others' would differ."""
    if not harness.is_root():
        pytest.skip('only root extracts owners')
    folder.mkdir()
    bsdtar('-x', '-p', '--numeric-owner', '-f', archive, '-C', folder)
    # Of the root bsdtar forgets it in zips, and others tell another time than the folder's.
    if archive.suffix in ('.iso', '.xar'):
        pack_from(archive, folder.with_suffix('.quire'))
        harness.quire('extract', folder.with_suffix('.quire'), '-C', folder.with_suffix('.again'))
        tree = folder.with_suffix('.again')
    os.utime(folder, ns=(0, tree.stat().st_mtime_ns))


def assert_packs_as(scratch, tree, archive, *options):
    __tracebackhide__ = True
    harness.pack(tree, scratch / 'wanted.quire', '-f', *options)
    pack_from(archive, scratch / 'got.quire', '-f', *options)
    harness.quire('verify', scratch / 'got.quire')
    assert (scratch / 'got.quire').read_bytes() == (scratch / 'wanted.quire').read_bytes(), f'{archive} {options}'


def make_tree(top, links=()):
    """What all formats hold: of whole seconds, and with names of Unicode. `links`: hard links of the largest file."""
    chance = random.Random(1)
    for folder in ('', 'a', 'a/deep', 'a/deep/er', 'empty', 'ümläut', '日本'):
        (top / folder).mkdir()
    for i in range(60):
        folder = chance.choice(('', 'a', 'a/deep', 'a/deep/er', 'ümläut', '日本'))
        (top / folder / f'file {i:02}é').write_bytes(chance.randbytes(chance.choice((0, 1, 511, 4096, 70000))) + b'text' * chance.randrange(2000))
    (top / 'large').write_bytes(chance.randbytes(3 * MIB) + bytes(2 * MIB))
    (top / 'twin').write_bytes((top / 'large').read_bytes())
    for name in links:
        os.link(top / 'large', top / name)
    (top / 'link').symlink_to('a/deep')
    (top / 'a/dangling').symlink_to('/nowhere/at all')
    for path in sorted(top.rglob('*'), reverse=True) + [top]:
        if not path.is_symlink():
            path.chmod(chance.choice((0o644, 0o600, 0o755, 0o4755, 0o555)) | (0o700 if path.is_dir() else 0))
        seconds = chance.randrange(10 ** 9, 15 * 10 ** 8) // 2 * 2
        os.utime(path, (seconds, seconds), follow_symlinks=False)
    return top


def assert_nothing_left(scratch, *there):
    left = set(os.listdir(scratch)) - {'cache', *there}
    assert not left, f'these were left: {left}'


@pytest.mark.parametrize('suffix', COMPRESSIONS)
def test_a_compressed_tar_is_packed_as_its_extracted_tree(scratch, suffix):
    tree = RandomTree(random.Random(suffix), scratch / 'tree', 100)
    assert tree.files
    harness.run(*TAR, '--sparse', '-C', scratch / 'tree', '-cf', scratch / 'tree.tar', '.')
    archive = compress(scratch / 'tree.tar', suffix)
    if not harness.is_root():
        pytest.skip('only root extracts owners')
    (scratch / 'extracted').mkdir()
    harness.run(*TAR, '-x', '-p', '-C', scratch / 'extracted', '-f', scratch / 'tree.tar')
    for options in ((), ('--order', 'shuffle:7', '--dedup'), ('--mtime', '2026-01-01', '--owner', '7:8', '--exclude', '*a*')):
        assert_packs_as(scratch, scratch / 'extracted', archive, *options)


@pytest.mark.parametrize('form', FORMATS)
def test_other_archives_are_packed_as_their_extracted_trees(scratch, form):
    make_tree(scratch / 'tree', ('a/second name', 'zz third name') if FORMATS[form] in ('cpio', 'iso') else ())
    archive = scratch / f'tree.{FORMATS[form]}'
    bsdtar('--format', form, '-cf', archive, '-C', scratch / 'tree', '.')
    extract(archive, scratch / 'tree', scratch / 'extracted')
    for options in ((), ('--order', 'shuffle:7', '--dedup')):
        assert_packs_as(scratch, scratch / 'extracted', archive, *options)


def test_a_compressed_cpio_is_an_archive_too(scratch):
    make_tree(scratch / 'tree', ('a/second name', 'a/deep/third name'))
    bsdtar('--format', 'newc', '-cf', scratch / 'tree.cpio', '-C', scratch / 'tree', '.')
    extract(scratch / 'tree.cpio', scratch / 'tree', scratch / 'extracted')
    assert_packs_as(scratch, scratch / 'extracted', compress(scratch / 'tree.cpio', 'gz'))


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_of_a_zip_are_packed(scratch, quire, method):
    with zipfile.ZipFile(scratch / 'a.zip', 'w') as archive:
        archive.writestr('stored', b'bytes')
        archive.writestr('folder/packed', b'bytes' * 1000, method)
        archive.writestr('twice', b'first' * 1000, method)
        archive.writestr('twice', b'second' * 1000, method)
    pack_from(scratch / 'a.zip', scratch / 'a.quire')
    quire('verify', scratch / 'a.quire')
    assert quire('ls', '-R', scratch / 'a.quire').out.split() == ['.:', 'folder', 'stored', 'twice', 'folder:', 'packed']
    assert quire('cat', scratch / 'a.quire', 'folder/packed').out == 'bytes' * 1000
    assert quire('cat', scratch / 'a.quire', 'twice').out == 'second' * 1000, 'the last one counts'


def test_shards_of_all_kinds_make_one_tree(scratch, quire):
    for shard, suffix in enumerate(('', '.gz', '.xz')):
        (scratch / f'tree{shard}').mkdir()
        for sample in range(4):
            (scratch / f'tree{shard}/{shard}{sample}.txt').write_text(f'{shard} {sample}')
        tar = scratch / f'set-{shard}.tar'
        harness.run('tar', '-C', scratch / f'tree{shard}', '-cf', tar, '.')
        if suffix:
            compress(tar, suffix[1:])
            tar.unlink()
    pack_from(scratch / 'set-*', scratch / 'set.quire')
    assert quire('ls', scratch / 'set.quire').out.split() == [f'{shard}{sample}.txt' for shard in range(3) for sample in range(4)]
    assert [quire('cat', scratch / 'set.quire', f'{shard}3.txt').out for shard in range(3)] == ['0 3', '1 3', '2 3']
    told = quire('pack', '-n', '--from', scratch / 'set-*', '--exclude', '0*', '--tmp', scratch)
    assert told.out.split('\n')[:3] == ['10.txt', '11.txt', '12.txt']
    (scratch / 'set-9.tar.gz').write_bytes(gzip.compress(b'no archive'))
    pack_from(scratch / 'set-*', scratch / 'set.quire', '-f', status=1).says('set-9.tar.gz: this is compressed by gzip, and no archive')


def test_what_has_no_place_in_a_tree_is_named_and_left_out(scratch, quire):
    with zipfile.ZipFile(scratch / 'a.zip', 'w', zipfile.ZIP_BZIP2) as archive:
        for name in ('../outside', 'a/../../outside', '/absolute', 'n' * 256, 'good'):
            archive.writestr(name, name * 100)
        link = zipfile.ZipInfo('link')
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, '/etc')
        archive.writestr('link/passwd', 'no')
    done = pack_from(scratch / 'a.zip', scratch / 'a.quire', status=1)
    assert done.says(r"a.zip: \.\./outside: its path leads through", 'n{256}: a name in its path is longer', 'link: other members need it',
                     'without 4 things of the archives')
    assert quire('ls', '-R', scratch / 'a.quire').out.split() == ['.:', 'absolute', 'good', 'link', 'link:', 'passwd']
    assert_nothing_left(scratch, 'a.zip', 'a.quire')


def test_devices_are_named_and_left_out(scratch, quire):
    (scratch / 'tree').mkdir()
    os.mkfifo(scratch / 'tree/pipe')
    (scratch / 'tree/file').write_text('text')
    if harness.is_root():
        os.mknod(scratch / 'tree/zero', stat.S_IFCHR | 0o666, os.makedev(1, 5))
    bsdtar('--format', 'newc', '-cf', scratch / 'a.cpio', '-C', scratch / 'tree', '.')
    done = pack_from(scratch / 'a.cpio', scratch / 'a.quire', status=1)
    assert done.says('pipe: a FIFO', 'zero: a device' if harness.is_root() else 'FIFO')
    assert quire('ls', scratch / 'a.quire').out == 'file\n'


def assert_damage_is_named(scratch, archive, whole, *patterns):
    """Nothing is written, or the samples `whole` and no others where that is asked for."""
    out = scratch / 'out.quire'
    pack_from(archive, out, status=1).says(*patterns, 'nothing was written')
    assert not out.exists()
    pack_from(archive, out, '--skip-unreadable', status=1).says(*patterns, 'the pack is without')
    harness.quire('verify', out)
    assert harness.quire('ls', out).out.split() == whole


def make_numbered(scratch, count=30):
    (scratch / 'tree').mkdir()
    chance = random.Random(3)
    for i in range(count):
        (scratch / f'tree/{i:02}').write_bytes(chance.randbytes(50000))
    return sorted(os.listdir(scratch / 'tree'))


@pytest.mark.parametrize('suffix', ['gz', 'bz2', 'xz', 'zst'])
def test_of_a_cut_tar_the_whole_members_are_there(scratch, suffix):
    names = make_numbered(scratch, 60)
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', *names)
    archive = compress(scratch / 'a.tar', suffix)
    os.truncate(archive, archive.stat().st_size // 2)
    pack_from(archive, scratch / 'all.quire', '--skip-unreadable', status=1)
    whole = harness.quire('ls', scratch / 'all.quire').out.split()
    assert whole == names[:len(whole)] and 10 < len(whole) < len(names)
    for name in whole:
        assert harness.quire('cat', scratch / 'all.quire', name).stdout == (scratch / 'tree' / name).read_bytes()
    assert_damage_is_named(scratch, archive, whole, f'a.tar.{suffix}: it is cut, and what follows cannot be read')


@pytest.mark.parametrize('at', [0.4, 0.7, 0.9999], ids=str)
@pytest.mark.parametrize('suffix', ['gz', 'bz2', 'xz', 'zst'])
def test_of_a_damaged_tar_nothing_is_believed(scratch, suffix, at):
    """Bytes may come out of it long before a sum tells that they are wrong."""
    names = make_numbered(scratch, 60)
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', *names)
    archive = compress(scratch / 'a.tar', suffix)
    data = bytearray(archive.read_bytes())
    data[int(len(data) * at)] ^= 1
    archive.write_bytes(data)
    assert_damage_is_named(scratch, archive, [], f'a.tar.{suffix}: it is damaged, so that none of its members can be trusted')


def test_each_sum_of_a_gzip_file_of_several_members_is_compared(scratch, quire):
    names = make_numbered(scratch)
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', *names)
    tar = (scratch / 'a.tar').read_bytes()
    chance = random.Random(5)
    ends = [0, 0, *sorted(chance.randrange(len(tar)) for _ in range(20)), len(tar), len(tar)]
    parts = [gzip.compress(tar[begin:end], chance.choice((1, 9))) for begin, end in zip(ends, ends[1:])]
    archive = scratch / 'a.tar.gz'
    archive.write_bytes(b''.join(parts))
    pack_from(archive, scratch / 'a.quire')
    assert quire('ls', scratch / 'a.quire').out.split() == names
    data = bytearray(b''.join(parts))
    data[sum(map(len, parts[:11])) - 8] ^= 1
    archive.write_bytes(data)
    pack_from(archive, scratch / 'b.quire', status=1).says('damaged.*gzip: its sum differs')


def test_damaged_members_are_named(scratch):
    names = make_numbered(scratch)
    with zipfile.ZipFile(scratch / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(scratch / 'tree' / name, name)
        archive.writestr('zz', b'text' * 1000, zipfile.ZIP_BZIP2)
    data = bytearray((scratch / 'a.zip').read_bytes())
    at = data.index((scratch / 'tree/07').read_bytes()[1000:1100])
    data[at] ^= 1
    (scratch / 'a.zip').write_bytes(data)
    assert_damage_is_named(scratch, scratch / 'a.zip', [name for name in names if name != '07'] + ['zz'], 'a.zip: 07: .*CRC')


def test_encrypted_members_are_named_with_the_remedy(scratch):
    if not shutil.which('zip'):
        pytest.skip('there is no zip')
    (scratch / 'tree').mkdir()
    (scratch / 'tree/00').write_text('text' * 10000)
    harness.run('zip', '-q', '-Z', 'bzip2', scratch / 'a.zip', '00', cwd=scratch / 'tree')
    (scratch / 'tree/secret').write_text('secret' * 1000)
    harness.run('zip', '-q', '-9', '-P', 'password', scratch / 'a.zip', 'secret', cwd=scratch / 'tree')
    assert_damage_is_named(scratch, scratch / 'a.zip', ['00'], 'secret: it is encrypted: unpack the archive with its password')


def test_what_is_broken_from_its_begin_is_no_archive(scratch, quire):
    for name, data, says in (('a.gz', gzip.compress(b'text' * 1000), 'compressed by gzip, and no archive is in it'),
                             ('b.xz', lzma.compress(b'text')[:20], 'compressed by a program, and no archive is in it'),
                             ('c', b'text' * 1000, 'not a Quire pack'), ('d', b'', 'c|truncated'),
                             ('e', random.Random(1).randbytes(100000), 'not a Quire pack'),
                             # A description of files that lie elsewhere, whose bytes nobody asked for.
                             ('f', b'#mtree\npasswd type=file contents=/etc/passwd\n', 'not a Quire pack')):
        (scratch / name).write_bytes(data)
        pack_from(scratch / name, scratch / 'out.quire', status=1).says(f'{name}: .*{says}')
        assert not (scratch / 'out.quire').exists()


def test_mounts_name_the_remedy_and_have_no_libarchive(scratch, pack, quire, mount):
    make_numbered(scratch, 3)
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', '.')
    for suffix in ('gz', 'xz', 'bz2'):
        quire('mount', compress(scratch / 'a.tar', suffix), scratch / 'tree', status=1).says('decompress it first', 'quire pack --from')
    for form in ('7zip', 'newc', 'iso9660', 'xar'):
        bsdtar('--format', form, '-cf', scratch / form, '-C', scratch / 'tree', '.')
        quire('mount', scratch / form, scratch / 'tree', status=1).says('cannot be read where they lie: `quire pack --from`')
        quire('index', scratch / form, '-o', scratch / 'x.quire', status=1).says('quire pack --from')
    mounted = mount(scratch / 'a.tar')
    assert 'libarchive' not in pathlib.Path(f'/proc/{mounted.daemon()}/maps').read_text()


def start_packing(archive, output, *options):
    return subprocess.Popen([harness.QUIRE, 'pack', '--progress', 'never', '--from', archive, '-o', output, *options],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def await_reading(process, byte_count):
    def has_read():
        return int(pathlib.Path(f'/proc/{process.pid}/io').read_text().split()[1]) > byte_count
    harness.until(60, lambda: process.poll() is not None or has_read(), 'the packer reads')
    assert process.poll() is None, process.stdout.read()


@pytest.fixture(name='noise', scope='module')
def make_noise(module_scratch):
    """A compressed tar that takes a second to decompress."""
    (module_scratch / 'noise').write_bytes(random.Random(4).randbytes(4 * MIB).hex().encode() * 3)
    harness.run('tar', '-C', module_scratch, '-cf', module_scratch / 'noise.tar', 'noise')
    return compress(module_scratch / 'noise.tar', 'bz2')


@pytest.fixture(name='slow_archive')
def copy_noise(scratch, noise):
    return pathlib.Path(shutil.copy(noise, scratch / 'slow.tar.bz2'))


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_packer_that_ends_early_leaves_nothing(scratch, slow_archive, number):
    with start_packing(slow_archive, scratch / 'out.quire') as process:
        await_reading(process, 2 * MIB)
        process.send_signal(number)
        said = process.stdout.read().decode()
        assert process.wait(20) == -number
    assert number == signal.SIGKILL or 'interrupted, nothing was written' in said
    assert_nothing_left(scratch, slow_archive.name)


def test_an_archive_that_changes_meanwhile_is_not_packed(scratch, slow_archive):
    with start_packing(slow_archive, scratch / 'out.quire') as process:
        await_reading(process, 2 * MIB)
        with open(slow_archive, 'ab') as file:
            file.write(b'more')
        said = process.stdout.read().decode()
        assert process.wait(60) == 1 and 'slow.tar.bz2: changed while it was packed' in said, said
    assert_nothing_left(scratch, slow_archive.name)


def test_a_bomb_stops_before_the_disk_is_full(scratch, at_end):
    if not harness.is_root():
        pytest.skip('only root mounts a small disk')
    small = scratch / 'small'
    small.mkdir()
    harness.run('mount', '-t', 'tmpfs', '-o', 'size=300m', 'tmpfs', small)
    at_end.callback(harness.run, 'umount', small)
    with tarfile.open(scratch / 'bomb.tar.gz', 'w:gz') as archive:
        member = tarfile.TarInfo('zeros')
        member.size = 1 << 30
        with open('/dev/zero', 'rb') as zeros:
            archive.addfile(member, zeros)
    for options in ((scratch / 'out.quire', '--tmp', small), (small / 'out.quire',)):
        pack_from(scratch / 'bomb.tar.gz', *options, status=1).says('small: too little room to unpack', '--tmp names another folder')
        assert os.listdir(small) == []
    assert_nothing_left(scratch, 'bomb.tar.gz', 'small')


def test_an_output_that_is_there_is_found_before_the_work(scratch, quire):
    make_numbered(scratch, 3)
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', '.')
    archive = compress(scratch / 'a.tar', 'gz')
    (scratch / 'out.quire').write_text('mine')
    pack_from(archive, scratch / 'out.quire', status=1).says('--force')
    pack_from(archive, scratch / 'none/out.quire', status=1).says('there is no folder')
    pack_from(archive, scratch / 'out.quire', '-f', '--tmp', scratch / 'none', status=1).says('none: no temporary file')
    assert (scratch / 'out.quire').read_text() == 'mine'
    pack_from(archive, scratch / 'out.quire', '-f')
    quire('verify', scratch / 'out.quire')
