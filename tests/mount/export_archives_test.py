#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: what `quire export` writes is what GNU tar, Python and quire itself read as the tree that was packed; shards hold the files of
a key together; and what is damaged is named and never written."""
import collections
import io
import os
import random
import shutil
import signal
import subprocess
import tarfile

import harness
import pytest
from random_tree import RandomTree

TAR = ('tar', '--numeric-owner', '--xattrs', '--xattrs-include=user.*')
LARGE = 5 << 20  # of several parts


@pytest.fixture(name='export')
def get_exporter(quire):
    """export(PACK, OUT, OPTION...)"""
    return lambda packed, output, *options, **how: quire('export', '--progress', 'never', packed, '-o', output, *options, **how)


def extract(archive, folder, *options):
    folder.mkdir()
    harness.run(*TAR, '-x', '-p', *options, '-C', folder, '-f', archive)
    return folder


def write_files(tree, files):
    """files: {path: bytes}"""
    for path, data in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    return tree


def flip(path, needle):
    data = bytearray(path.read_bytes())
    assert data.count(needle) == 1
    data[data.index(needle)] ^= 1
    path.write_bytes(data)


def members_of(archive):
    with tarfile.open(archive) as opened:
        return [member.name for member in opened.getmembers()]


def shuffled_list(tree, scratch, chance):
    """A list of all files of a RandomTree, shuffled."""
    listed = sorted(set(tree.files))
    chance.shuffle(listed)
    path = scratch / 'list'
    path.write_bytes(b'\0'.join(listed))
    return path


@pytest.mark.parametrize('order', ['pack', 'path', 'shuffled', 'list'])
@pytest.mark.parametrize('seed', [1, 2])
def test_tar_extracts_what_was_packed(scratch, quire, pack, export, seed, order):
    chance = random.Random(seed)
    tree = RandomTree(chance, scratch / 'tree', 150)
    assert tree.files
    packed, archive = scratch / 'tree.quire', scratch / 'tree.tar'
    pack(scratch / 'tree', packed, *(['--order', 'shuffle:7'] if order == 'shuffled' else []))
    how = {'list': f'list0:{shuffled_list(tree, scratch, chance)}', 'path': 'path'}.get(order, 'pack')
    export(packed, archive, '--order', how)
    harness.assert_same_tree(scratch / 'tree', extract(archive, scratch / 'extracted'))
    # Equal packs make equal archives, wherever they go.
    assert quire('export', packed, '--order', how).stdout == archive.read_bytes()
    # And back.
    quire('diff', archive, scratch / 'tree')
    quire('extract', archive, '-C', scratch / 'again')
    harness.assert_same_tree(scratch / 'tree', scratch / 'again')
    with tarfile.open(archive, encoding='utf-8', errors='surrogateescape') as opened:
        files = {os.fsencode(member.name.removeprefix('./')): opened.extractfile(member).read()
                 for member in opened if member.isreg() or member.islnk() and member.linkname.removeprefix('./')
                 and opened.getmember(member.linkname).isreg()}
    assert files == {path: open(tree.full(path), 'rb').read() for path in tree.files}  # pylint: disable=consider-using-with


def test_gnu_form_has_names_holes_and_sizes(scratch, pack, export):
    tree = write_files(scratch / 'tree', {'n' * 200 + '/' + 'm' * 200: b'long', 'short': b's'})
    (tree / 'link').symlink_to('t/' * 120 + 'x')
    with open(tree / 'holes', 'wb') as file:
        for i in range(40):
            file.seek(i << 17)
            file.write(b'x' * 4096)
        file.truncate(8 << 20)
    for path in [*tree.rglob('*'), tree]:
        os.utime(path, (1234567890, 1234567890), follow_symlinks=False)
    pack(tree, scratch / 'tree.quire')
    export(scratch / 'tree.quire', scratch / 'tree.tar', '--format', 'gnu')
    assert b'PaxHeader' not in (scratch / 'tree.tar').read_bytes()
    harness.assert_same_tree(tree, extract(scratch / 'tree.tar', scratch / 'extracted'))
    harness.quire('diff', scratch / 'tree.tar', tree)
    assert 'holes' in ' '.join(members_of(scratch / 'tree.tar'))


@pytest.mark.parametrize('form', ['pax', 'gnu'])
def test_bsdtar_reads_it(scratch, pack, export, form):
    if not shutil.which('bsdtar'):
        pytest.skip('there is no bsdtar')
    tree = write_files(scratch / 'tree', {'n' * 200 + '/' + 'm' * 200: b'long', 'o' * 90 + '/' + 'p' * 90: b'prefix', 'a': bytes(LARGE)})
    (tree / 'link').symlink_to('t/' * 120 + 'x')
    os.link(tree / 'a', tree / 'second')
    with open(tree / 'holes', 'wb') as file:
        for i in range(40):
            file.seek((2 * i + 1) << 16)
            file.write(b'x' * 4096)
        file.truncate(8 << 20)
    for path in [*tree.rglob('*'), tree]:
        os.utime(path, ns=(0, 1234567890_123456789 if form == 'pax' else 1234567890_000000000), follow_symlinks=False)
    pack(tree, scratch / 'tree.quire')
    export(scratch / 'tree.quire', scratch / 'tree.tar', '--format', form)
    (scratch / 'extracted').mkdir()
    harness.run('bsdtar', '-x', '-p', '-C', scratch / 'extracted', '-f', scratch / 'tree.tar')
    shutil.copystat(tree, scratch / 'extracted')  # whose time bsdtar leaves alone, whoever made the archive
    harness.assert_same_tree(tree, scratch / 'extracted')


def test_a_file_of_more_than_8_gib(scratch, pack, export):
    """The most that eleven octal digits hold is 8 GiB - 1."""
    (scratch / 'tree').mkdir()
    with open(scratch / 'tree/huge', 'wb') as file:
        file.truncate(9 << 30)
        file.seek(5 << 30)
        file.write(b'middle')
    pack(scratch / 'tree', scratch / 'tree.quire')
    for form in ('pax', 'gnu'):
        archive = scratch / f'{form}.tar'
        export(scratch / 'tree.quire', archive, '--format', form)
        assert archive.stat().st_size < 1 << 20
        extracted = extract(archive, scratch / form) / 'huge'
        assert extracted.stat().st_size == 9 << 30
        with open(extracted, 'rb') as file:
            file.seek((5 << 30) - 1)
            assert file.read(8) == b'\0middle\0'
        assert harness.quire('ls', '--json', archive).said.count(str(9 << 30)) > 0


def test_a_hard_link_names_what_stands_before_it(scratch, pack, export):
    tree = write_files(scratch / 'tree', {'b/own': b'content'})
    (tree / 'a').mkdir()
    os.link(tree / 'b/own', tree / 'a/deep')
    os.link(tree / 'b/own', tree / 'z')
    pack(tree, scratch / 'tree.quire')
    for order in ('path', 'pack'):
        export(scratch / 'tree.quire', scratch / f'{order}.tar', '--order', order)
        with tarfile.open(scratch / f'{order}.tar') as archive:
            kinds = {member.name: (member.type, member.linkname) for member in archive}
        assert kinds['./a/deep'] == (tarfile.REGTYPE, '')
        assert kinds['./b/own'] == kinds['./z'] == (tarfile.LNKTYPE, './a/deep')


def test_a_list_comes_first_and_must_be_there(scratch, pack, export):
    tree = write_files(scratch / 'tree', {f'{folder}/{name}': b'x' for folder in 'ab' for name in '123'})
    pack(tree, scratch / 'tree.quire')
    (scratch / 'list').write_text('b/3\na/2\n')
    export(scratch / 'tree.quire', scratch / 'tree.tar', '--order', f'list:{scratch}/list')
    names = members_of(scratch / 'tree.tar')
    assert names == ['.', './b', './b/3', './a', './a/2', './a/1', './a/3', './b', './b/1', './b/2']
    harness.assert_same_tree(tree, extract(scratch / 'tree.tar', scratch / 'extracted'))
    (scratch / 'list').write_text('b\n')
    export(scratch / 'tree.quire', scratch / 'x.tar', '--order', f'list:{scratch}/list', status=1).says('no sample')
    (scratch / 'list').write_text('none\n')
    export(scratch / 'tree.quire', scratch / 'x.tar', '--order', f'list:{scratch}/list', status=1).says('none')
    assert not (scratch / 'x.tar').exists()


def key_of(name):
    folder, base = os.path.split(name)
    return os.path.join(folder, base.split('.')[0])


def make_samples(tree, keys):
    return write_files(tree, {f'{key % 3}.d/{key:04}.{kind}': f'{key} {kind}'.encode() * 100
                              for key in range(keys) for kind in ('jpg', 'cls', 'seg.png')})


@pytest.mark.parametrize('order', ['path', 'pack', 'shuffled', 'list'])
def test_shards_hold_the_files_of_a_key_together(scratch, pack, export, order):
    tree = make_samples(scratch / 'tree', 100)
    packed = scratch / 'tree.quire'
    pack(tree, packed, *(['--order', 'shuffle:3'] if order == 'shuffled' else []))
    (scratch / 'list').write_text('0.d/0099.jpg\n2.d/0002.cls\n')
    how = {'list': f'list:{scratch}/list', 'path': 'path'}.get(order, 'pack')
    export(packed, scratch / 'train-%06d.tar', '--to', 'webdataset', '--shard-size', '64K', '--order', how)
    shards = sorted(scratch.glob('train-*.tar'))
    assert len(shards) > 3 and shards[0].name == 'train-000000.tar'
    assert all(shard.stat().st_size <= 64 << 10 for shard in shards)
    names = [name for shard in shards for name in members_of(shard)]
    assert sorted(names) == sorted(str(path.relative_to(tree)) for path in tree.rglob('*') if path.is_file())
    keys = [key_of(name) for name in names]
    changes = [key for before, key in zip([None, *keys], keys) if key != before]
    assert len(changes) == len(set(changes)) == 100, 'each key stands once'
    for shard in shards:
        counts = collections.Counter(key_of(name) for name in members_of(shard))
        assert set(counts.values()) == {3}, 'no key is in two shards'
    if order == 'list':
        assert names[0].startswith('0.d/0099.') and names[3].startswith('2.d/0002.')
    if order == 'path':
        assert names == sorted(names)
    with tarfile.open(shards[0]) as opened:
        for member in opened:
            assert opened.extractfile(member).read() == (tree / member.name).read_bytes()
    # As one tree again.
    harness.quire('extract', scratch / 'train-*.tar', '-C', scratch / 'again')
    for path in tree.rglob('*.*g'):
        assert (scratch / 'again' / path.relative_to(tree)).read_bytes() == path.read_bytes()


def test_what_a_shard_is_made_of(scratch, pack, export):
    tree = write_files(scratch / 'tree', {'a.jpg': b'a' * 50000, 'a.d/b.x': b'b', 'a.z': b'z', 'README': b'none', '.hidden': b'none',
                                          'large.bin': bytes(LARGE)})
    os.link(tree / 'a.jpg', tree / 'c.jpg')
    (tree / 'link.jpg').symlink_to('a.jpg')
    (tree / 'empty.d').mkdir()
    with open(tree / 'holes.x', 'wb') as file:
        file.truncate(3 << 20)
    pack(tree, scratch / 'tree.quire')
    done = export(scratch / 'tree.quire', scratch / 'x-%03d.tar', '--to', 'webdataset', '--shard-size', '100000')
    assert done.says('2 files have no key', '2 keys are larger')
    shards = sorted(scratch.glob('x-*.tar'))
    names = [members_of(shard) for shard in shards]
    assert ['large.bin'] in names and ['holes.x'] in names
    assert sorted(sum(names, [])) == ['.hidden', 'README', 'a.d/b.x', 'a.jpg', 'a.z', 'c.jpg', 'holes.x', 'large.bin']
    with tarfile.open(shards[[name for name in names if 'c.jpg' in name] and
                             next(i for i, name in enumerate(names) if 'c.jpg' in name)]) as opened:
        assert opened.extractfile('c.jpg').read() == b'a' * 50000
    export(scratch / 'tree.quire', scratch / 'y-%d.tar', '--to', 'webdataset', '--shard-count', '1')
    assert all(len(members_of(shard)) <= 2 for shard in scratch.glob('y-*.tar'))
    assert len(list(scratch.glob('y-*.tar'))) == 7


def damaged_pack(scratch, pack):
    """Of samples, two of which are damaged: a small one that has a second name, and a large one in its last part."""
    chance = random.Random(5)
    large = chance.randbytes(LARGE)
    small = chance.randbytes(1000)
    tree = write_files(scratch / 'tree', {'before': b'before', 'large': large, 'm/small': small, 'z': b'behind'})
    os.link(tree / 'm/small', tree / 'second')
    packed = scratch / 'tree.quire'
    pack(tree, packed)
    flip(packed, small[:100])
    flip(packed, large[-100:])
    return tree, packed


def test_a_damaged_sample_ends_it(scratch, pack, export, quire):
    _, packed = damaged_pack(scratch, pack)
    export(packed, scratch / 'x.tar', status=1).says("'large': .*checksum mismatch", '--keep-going')
    assert not (scratch / 'x.tar').exists()
    assert [path for path in os.listdir(scratch) if path.startswith('.')] == []
    quire('export', packed, status=1).says("'large'")


def test_what_is_damaged_is_left_out(scratch, pack, export, quire):
    tree, packed = damaged_pack(scratch, pack)
    done = export(packed, scratch / 'x.tar', '--keep-going', status=1)
    assert done.says("'large': .*checksum", "'m/small': .*checksum", "'second': is a hard link to a sample that is left out")
    extracted = extract(scratch / 'x.tar', scratch / 'extracted')
    assert sorted(os.listdir(extracted)) == ['before', 'm', 'z']
    for name in ('large', 'm/small', 'second'):
        (tree / name).unlink()
    for name in ('before', 'z'):
        assert (extracted / name).read_bytes() == (tree / name).read_bytes()
    # What is in a pipe cannot be taken back.
    quire('export', packed, '--keep-going', status=1).says("'large'.*pipe")


def test_output_is_whole_or_not_there(scratch, pack, export, quire):
    tree = write_files(scratch / 'tree', {'a.x': b'a', 'b.x': b'b'})
    packed = scratch / 'tree.quire'
    pack(tree, packed)
    (scratch / 'x.tar').write_text('mine')
    export(packed, scratch / 'x.tar', status=1).says('--force')
    assert (scratch / 'x.tar').read_text() == 'mine'
    (scratch / 's-1.tar').write_text('mine')
    export(packed, scratch / 's-%d.tar', '--to', 'webdataset', '--shard-count', '1', status=1).says('s-1.tar', '--force')
    assert not (scratch / 's-0.tar').exists(), 'nothing was begun'
    (scratch / 's-2.tar').write_text('older')
    export(packed, scratch / 's-%d.tar', '--to', 'webdataset', '--shard-count', '1', '-f').says("s-2.tar' is there from before")
    assert members_of(scratch / 's-1.tar') == ['b.x']
    export(packed, scratch / 'x.tar', '-f')
    assert members_of(scratch / 'x.tar') == ['.', './a.x', './b.x']
    for wrong, says in ((('--to', 'dir', '-o', 'x'), 'quire extract'), (('--to', 'zip', '-o', 'x'), 'tar or webdataset'),
                        (('--to', 'webdataset'), '-o'), (('--to', 'webdataset', '-o', 'x.tar'), 'train-%06d'),
                        (('--to', 'webdataset', '-o', '%d%d'), 'train-%06d'), (('--order', 'size'), 'list:FILE'),
                        (('--shard-size', 'x'), 'size'), (('--shard-size', '0'), 'size')):
        quire('export', packed, *wrong, status=2).says(says)
    (scratch / 'empty').mkdir()
    pack(scratch / 'empty', scratch / 'empty.quire')
    export(scratch / 'empty.quire', scratch / 'empty.tar')
    assert members_of(scratch / 'empty.tar') == ['.']
    export(scratch / 'empty.quire', scratch / 'none-%d.tar', '--to', 'webdataset')


def test_a_terminal_gets_no_archive(scratch, pack):
    pack(write_files(scratch / 'tree', {'a': b'a'}), scratch / 'tree.quire')
    leader, follower = os.openpty()
    for words in ((), ('-o', '-')):
        done = subprocess.run([harness.QUIRE, 'export', scratch / 'tree.quire', *words], stdout=follower, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2 and b'terminal' in done.stderr
    os.close(leader)
    os.close(follower)


def test_a_killed_export_leaves_nothing(scratch, pack, mount, at_end):
    tree = write_files(scratch / 'tree', {f'{i:03}.x': random.Random(i).randbytes(1 << 20) for i in range(40)})
    pack(tree, scratch / 'tree.quire')
    slow, disk = mount.slow_disk(scratch / 'tree.quire')
    (scratch / 'out').mkdir()
    disk.obey('delay 20000 20000')
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = harness.start(at_end, harness.QUIRE, 'export', slow, '-o', scratch / 'out/x.tar', stderr=subprocess.DEVNULL)
        harness.until(10, lambda process=process: int(harness.run('awk', '/rchar/ {print $2}', f'/proc/{process.pid}/io').out) > 4 << 20,
                      'it reads nothing')
        process.send_signal(number)
        assert process.wait(60) == -number
        assert os.listdir(scratch / 'out') == []
    disk.obey()
    harness.until(5, lambda: harness.run('umount', slow.parent, status=None).returncode == 0, 'the slow disk is busy')


def test_an_archive_is_exported_as_a_pack_is(scratch, quire, export):
    archive = scratch / 'a.tar'
    with tarfile.open(archive, 'w') as made:
        for name in ('b/2.txt', 'a/1.txt', 'b/1.txt'):
            member = tarfile.TarInfo(name)
            member.size = 7
            made.addfile(member, io.BytesIO(b'content'))
    export(archive, scratch / 'out.tar')
    assert [name for name in members_of(scratch / 'out.tar') if name.endswith('txt')] == ['./b/2.txt', './a/1.txt', './b/1.txt']
    quire('diff', scratch / 'out.tar', extract(archive, scratch / 'extracted'), status=None)
    export(archive, scratch / 'out-%d.tar', '--to', 'webdataset', '--shard-count', '2')
    assert members_of(scratch / 'out-0.tar') == ['b/2.txt', 'a/1.txt']
