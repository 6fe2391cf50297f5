#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: an archive is mounted as it is, equal to what `tar x` makes of it, and what cannot be served is named and never wrong."""
import concurrent.futures
import io
import json
import os
import pathlib
import random
import resource
import shutil
import stat
import tarfile
import zipfile

import harness
import pytest
from random_tree import RandomTree

PAGE_BYTES = 2 << 20
TAR = ('tar', '--numeric-owner', '--xattrs', '--xattrs-include=user.*')


def make_tar(path, members):
    """members: {name: bytes}"""
    with tarfile.open(path, 'w') as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def requests(mounted):
    counters = mounted.stats()['counters']
    return sum(counters[name] for name in ('hits', 'joined', 'fill_misses', 'bypasses'))


def cached_indexes(scratch):
    return sorted((scratch / 'cache/quire').glob('*.quire'))


@pytest.mark.parametrize('form', [('--format=pax',), ('--format=pax', '--sparse'), ('--format=gnu', '--sparse', '--no-xattrs')],
                         ids=' '.join)
@pytest.mark.parametrize('seed', [1, 2])
def test_mount_of_a_tar_equals_what_tar_extracts(scratch, mount, form, seed):
    tree = RandomTree(random.Random(seed), scratch / 'tree', 150)
    assert tree.files
    archive = scratch / 'tree.tar'
    harness.run(*TAR, *form, '-C', scratch / 'tree', '-cf', archive, '.')
    (scratch / 'extracted').mkdir()
    harness.run(*TAR, '-x', '-p', '-C', scratch / 'extracted', '-f', archive)
    harness.quire('verify', archive)
    mounted = mount(archive)
    harness.assert_same_tree(scratch / 'extracted', mounted.folder)


def test_commands_take_an_archive(scratch, quire, mount):
    (scratch / 'tree/folder').mkdir(parents=True)
    (scratch / 'tree/folder/name').write_text('sample\n')
    (scratch / 'tree/large').write_bytes(random.Random(1).randbytes(5 << 20))
    archive = scratch / 'tree.tar'
    harness.run('tar', '--format=pax', '-C', scratch / 'tree', '-cf', archive, '.')
    assert quire('ls', archive, 'folder').out == 'name\n'
    assert quire('cat', archive, 'folder/name').out == 'sample\n'
    assert quire('cat', archive, 'large').stdout == (scratch / 'tree/large').read_bytes()
    quire('info', archive).says('order +archives')
    quire('verify', archive).says('no fault')
    quire('diff', archive, scratch / 'tree')
    quire('extract', archive, '-C', scratch / 'extracted')
    harness.assert_same_tree(scratch / 'tree', scratch / 'extracted')
    mounted = mount(archive)
    assert [mounted.folder, str(archive)] in [line.split() for line in quire('mounts').out.splitlines()]
    assert len(cached_indexes(scratch)) == 1, 'all of them took one index'


def test_shards_make_one_tree_or_a_folder_each(scratch, quire, mount):
    for shard in range(3):
        make_tar(scratch / f'set-{shard:04}.tar', {f'{shard:02}{sample}.{kind}': f'{shard} {sample} {kind}'.encode()
                                                   for sample in range(4) for kind in ('jpg', 'cls')})
    mounted = mount(scratch / 'set-{0000..0002}.tar')
    assert len(os.listdir(mounted.folder)) == 24
    assert (mounted / '023.cls').read_text() == '2 3 cls'
    mounted.unmount()
    quire('index', '--layout', 'shards', scratch / 'set-*.tar', '-o', scratch / 'all.quire')
    mounted = mount(scratch / 'all.quire')
    assert sorted(os.listdir(mounted.folder)) == ['set-0000', 'set-0001', 'set-0002']
    assert (mounted / 'set-0001/010.jpg').read_text() == '1 0 jpg'
    quire('ls', scratch / 'set-{0000..0003}.tar', status=1).says('set-0003.tar: No such file')
    quire('ls', scratch / 'other-*.tar', status=1).says('no file is named so')


def test_there_may_be_more_shards_than_open_files(scratch, quire):
    for shard in range(300):
        make_tar(scratch / f'{shard:03}.tar', {f'{shard:03}.txt': b'%d' % shard})
    limits = 128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)}
    quire('index', scratch / '*.tar', '-o', scratch / 'all.quire', **few)
    assert quire('cat', scratch / 'all.quire', '299.txt', **few).out == '299'
    (scratch / 'mnt').mkdir()
    try:
        quire('mount', scratch / '{000..299}.tar', scratch / 'mnt', **few)
        assert (scratch / 'mnt/299.txt').read_bytes() == b'299'
    finally:
        harness.take_down(scratch / 'mnt')


def test_what_stands_in_two_shards_is_told(scratch, quire):
    make_tar(scratch / 'a.tar', {'x': b'of a', 'y': b'y'})
    make_tar(scratch / 'b.tar', {'x': b'of b'})
    quire('index', scratch / 'a.tar', scratch / 'b.tar', '-o', scratch / 'ab.quire', status=1).says('x: it stands in several')
    assert quire('cat', scratch / 'ab.quire', 'x').out == 'of b'


def test_an_index_is_made_once_and_again_when_the_archive_changes(scratch, quire):
    archive = make_tar(scratch / 'a.tar', {'x': b'first'})
    assert quire('cat', archive, 'x').out == 'first'
    (index,) = cached_indexes(scratch)
    made_at = index.stat().st_ino
    assert quire('cat', archive, 'x').out == 'first'
    assert index.stat().st_ino == made_at
    make_tar(archive, {'x': b'second'})
    assert quire('cat', archive, 'x').out == 'second'
    # Damaged, cut or emptied, it is made anew.
    for harm in (lambda data: data[:100], lambda data: b'', lambda data: data[:5000] + bytes(len(data) - 5000)):
        newest = max(cached_indexes(scratch), key=lambda path: path.stat().st_mtime_ns)
        newest.write_bytes(harm(newest.read_bytes()))
        assert quire('cat', archive, 'x').out == 'second'


def test_commands_that_start_at_once_make_one_index(scratch, quire):
    archive = make_tar(scratch / 'a.tar', {f'{i:06}': b'sample' for i in range(40000)})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in pool.map(lambda _: quire('cat', archive, '012345'), range(6)):
            assert done.out == 'sample'
    assert len(cached_indexes(scratch)) == 1
    assert not [name for name in os.listdir(scratch / 'cache/quire') if name.startswith('.')], 'nothing half made is left'


def test_an_index_lies_where_it_is_asked_for(scratch, quire, mount):
    archive = make_tar(scratch / 'a.tar', {'x': b'x'})
    quire('ls', archive, '--beside')
    assert (scratch / 'a.tar.quire').exists()
    quire('ls', archive, '--index', scratch / 'elsewhere')
    assert (scratch / 'elsewhere').exists()
    assert (mount(archive, f'index={scratch}/third') / 'x').read_bytes() == b'x'
    assert (scratch / 'third').exists()
    assert not cached_indexes(scratch)
    # It never takes the place of something else.
    (scratch / 'precious').write_text('mine')
    quire('ls', archive, '--index', scratch / 'precious', status=1).says('is no index')
    assert (scratch / 'precious').read_text() == 'mine'


def test_an_index_reads_only_what_its_user_names(scratch, quire, mount):
    (scratch / 'index').mkdir()
    (scratch / 'data').mkdir()
    archive = make_tar(scratch / 'data/a.tar', {'x': b'x'})
    index = scratch / 'index/a.quire'
    quire('index', archive, '-o', index)
    quire('cat', index, 'x', status=1).says('volumes=')
    (scratch / 'mnt').mkdir()
    quire('mount', index, scratch / 'mnt', status=1).says(f"'{archive}' lies in no place", 'volumes=')
    assert quire('cat', '--volumes', scratch / 'data', index, 'x').out == 'x'
    assert (mount(index, f'volumes=/nowhere:{archive}') / 'x').read_bytes() == b'x'
    # In the folder of the index it is found wherever that is moved; a symlink in there leads nowhere else.
    shutil.copy2(archive, scratch / 'index')
    beside = scratch / 'index/beside.quire'
    quire('index', scratch / 'index/a.tar', '-o', beside)
    (scratch / 'index').rename(scratch / 'moved')
    assert quire('cat', scratch / 'moved/beside.quire', 'x').out == 'x'
    (scratch / 'moved/a.tar').unlink()
    (scratch / 'moved/a.tar').symlink_to(archive)
    quire('cat', scratch / 'moved/beside.quire', 'x', status=1).says('lies in no place')


def test_an_archive_that_changes_is_never_served_wrong(scratch, mount):
    archive = make_tar(scratch / 'a.tar', {'x': b'x' * 100, 'y': b'y' * 100})
    mounted = mount(archive, 'push=off', 'direct_io')
    assert (mounted / 'x').read_bytes() == b'x' * 100
    with open(archive, 'r+b') as file:
        file.seek(512)
        file.write(b'z' * 100)
    # What was read and checked before is in memory, as it was; all else is not given.
    assert (mounted / 'x').read_bytes() == b'x' * 100
    with pytest.raises(OSError, match='Input/output'):
        (mounted / 'y').read_bytes()


def test_sums_find_a_byte_that_changed_unseen(scratch, quire, mount):
    archive = make_tar(scratch / 'a.tar', {'x': b'x' * 100, 'y': b'y' * 100})
    index = scratch / 'a.quire'
    quire('index', '--sums', archive, '-o', index)
    harness.flip(archive, b'x' * 100)
    quire('verify', index, status=1).says('sample damaged: x')
    mounted = mount(index)
    with pytest.raises(OSError, match='Input/output'):
        (mounted / 'x').read_bytes()
    assert (mounted / 'y').read_bytes() == b'y' * 100


def test_members_that_lie_in_two_pages_are_pushed_whole(scratch, mount):
    sizes = random.Random(1)
    contents = {f'{number:03}': sizes.randbytes(sizes.randrange(60_000, 140_000)) for number in range(300)}
    archive = make_tar(scratch / 'a.tar', contents)
    with tarfile.open(archive) as members:
        in_two = {member.name for member in members
                  if member.offset_data // PAGE_BYTES != (member.offset_data + member.size - 1) // PAGE_BYTES}
    assert len(in_two) >= 10
    mounted = mount(archive)
    mounted.await_memory()
    os.listdir(mounted.folder)
    # A few bring all pages into memory.
    for name in sorted(contents.keys() - in_two)[::5]:
        (mounted / name).read_bytes()
    harness.until(20, lambda: mounted.stats()['push']['bytes'] >= 200 * 100_000, 'all pages are pushed')
    before = requests(mounted)
    assert all((mounted / name).read_bytes() == contents[name] for name in in_two)
    assert requests(mounted) - before <= len(in_two) // 3


def test_of_a_cut_archive_the_whole_members_are_served(scratch, quire):
    archive = make_tar(scratch / 'a.tar', {'first': b'1' * 1000, 'second': b'2' * 100000})
    with open(archive, 'r+b') as file:
        file.truncate(50000)
    done = quire('index', archive, '-o', scratch / 'a.quire', status=1)
    assert done.says('second')
    assert quire('ls', scratch / 'a.quire').out == 'first\n'
    assert quire('cat', scratch / 'a.quire', 'first').out == '1' * 1000


def test_an_index_never_replaces_one_of_its_archives(scratch, quire):
    archives = [make_tar(scratch / f'{name}.tar', {name: b'x' * 100}) for name in 'ab']
    os.link(archives[1], scratch / 'linked')
    (scratch / 'symlink').symlink_to(archives[0])
    before = [archive.read_bytes() for archive in archives]
    for output in (*archives, scratch / 'linked', scratch / 'symlink'):
        quire('index', '-f', scratch / '*.tar', '-o', output, status=2).says('is one of the archives')
    assert [archive.read_bytes() for archive in archives] == before


def test_of_shards_the_one_that_is_no_archive_is_named(scratch, quire):
    for number in range(6):
        make_tar(scratch / f'{number}.tar', {f'{number}': b'x' * 100})
    (scratch / '6.tar').write_bytes(b'')
    for _ in range(20):
        told = quire('index', scratch / '*.tar', '-o', scratch / 'all.quire', status=1).err
        assert '6.tar: this is no archive' in told, told


def test_a_copy_of_an_archive_that_was_moved_names_it(scratch, quire):
    archive = make_tar(scratch / 'a.tar', {'x': b'x' * 100})
    quire('index', archive, '-o', scratch / 'a.quire')
    archive.rename(scratch / 'b.tar')
    told = f"'{archive}' is not there: move it back, or make the index again"
    quire('extract', scratch / 'a.quire', '-C', scratch / 'extracted', status=1).says(told)
    quire('cat', scratch / 'a.quire', 'x', status=1).says(told)
    quire('verify', scratch / 'a.quire', status=1).says(told)


def test_a_pattern_without_quotes_is_told_to_be_one(scratch, quire):
    archives = [make_tar(scratch / f'{name}.tar', {name: b'x'}) for name in 'abc']
    quire('mount', *archives, scratch, status=2).says('a pattern of archives stands in quotes')
    quire('ls', *archives, status=2).says('a pattern of archives stands in quotes')


def test_a_zip_that_is_cut_is_told_to_be_one(scratch, quire):
    with zipfile.ZipFile(scratch / 'a.zip', 'w') as archive:
        archive.writestr('x', random.Random(1).randbytes(10_000))
    os.truncate(scratch / 'a.zip', 9_000)
    quire('ls', scratch / 'a.zip', status=1).says('this zip cannot be read: .*it is cut; `zip -FF')


def test_a_volume_that_is_gone_harms_its_own_samples_only(scratch, quire, mount):
    make_tar(scratch / 'a.tar', {'x': b'of a'})
    make_tar(scratch / 'b.tar', {'y': b'of b'})
    quire('index', scratch / 'a.tar', scratch / 'b.tar', '-o', scratch / 'ab.quire')
    (scratch / 'a.tar').rename(scratch / 'gone')
    folder = scratch / 'mnt'
    folder.mkdir()
    quire('mount', scratch / 'ab.quire', folder).says('a.tar', 'cannot be read')
    mounted = mount.adopt(folder)
    assert (mounted / 'y').read_bytes() == b'of b'
    with pytest.raises(OSError, match='Input/output'):
        (mounted / 'x').read_bytes()
    mounted.unmount()
    quire('verify', scratch / 'ab.quire', status=1).says('a.tar', 'sample damaged: x')
    quire('info', scratch / 'ab.quire').says(r'files +a\.tar: .*is not there', r'^ +b\.tar$')
    archives = json.loads(quire('info', '--json', scratch / 'ab.quire').out)['archives']
    assert [(archive['path'], archive['fault'] is None) for archive in archives] == [('a.tar', False), ('b.tar', True)]
    (scratch / 'b.tar').unlink()
    quire('mount', scratch / 'ab.quire', folder, status=1).says('a.tar')


def test_what_is_no_archive_is_refused_with_the_remedy(scratch, quire):
    archive = make_tar(scratch / 'a.tar', {'x': b'x'})
    for program, remedy in (('gzip', 'gzip -d'), ('bzip2', 'bzip2 -d'), ('xz', 'xz -d')):
        if shutil.which(program):
            (scratch / 'packed').write_bytes(harness.run(program, '-c', archive).stdout)
            quire('ls', scratch / 'packed', status=1).says(remedy)
    (scratch / 'text').write_text('no archive\n' * 1000)
    quire('ls', scratch / 'text', status=1).says('not a Quire pack, and no archive')
    quire('index', scratch / 'text', '-o', scratch / 'x.quire', status=1).says('text')
    assert not (scratch / 'x.quire').exists()
    (scratch / 'empty').touch()
    quire('ls', scratch / 'empty', status=1)


def test_odd_members_have_their_place(scratch, quire):
    path = scratch / 'odd.tar'
    with tarfile.open(path, 'w') as archive:
        def add(name, data=b'', kind=tarfile.REGTYPE, target=''):
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(data), kind, target
            archive.addfile(member, io.BytesIO(data))
        add('./twice', b'first')
        add('link', kind=tarfile.LNKTYPE, target='./twice')
        add('twice', b'second')
        add('/a//b/./c', b'deep')
        add('../outside', b'no')
        add('a', b'a file where a folder is')
        add('dangling', kind=tarfile.LNKTYPE, target='nothing')
        add('n' * 256, b'too long')
        add('fifo', kind=tarfile.FIFOTYPE)
    done = quire('index', path, '-o', scratch / 'odd.quire', status=1)
    assert done.says(r"outside: its path leads through '\.\.'", 'a: other members need it as a folder', 'dangling: it is a hard link',
                     'n{256}: a name in its path is longer', 'fifo')
    index = scratch / 'odd.quire'
    assert quire('ls', '-R', index).out.split() == ['.:', 'a', 'link', 'twice', 'a:', 'b', 'a/b:', 'c']
    assert quire('cat', index, 'twice').out == 'second'
    assert quire('cat', index, 'link').out == 'first', 'a link names what stood before it'
    assert quire('cat', index, 'a/b/c').out == 'deep'
    quire('verify', index, status=1).says('no fault', '5 members of the archives are left out')


def make_zip(path, tree):
    """Of stored members, by python: modes and symlinks as Info-ZIP has them."""
    with zipfile.ZipFile(path, 'w') as archive:
        for name in sorted(tree.rglob('*')):
            if name.is_symlink():
                member = zipfile.ZipInfo(str(name.relative_to(tree)))
                member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(member, os.readlink(name))
            else:
                archive.write(name, name.relative_to(tree))


def test_a_zip_of_stored_members_is_mounted(scratch, quire, mount):
    tree = scratch / 'tree'
    (tree / 'folder').mkdir(parents=True)
    (tree / 'folder/small').write_text('sample\n')
    (tree / 'large').write_bytes(random.Random(1).randbytes(5 << 20))
    (tree / 'empty').touch()
    (tree / 'link').symlink_to('folder/small')
    (tree / 'tool').write_text('#!/bin/sh\n')
    (tree / 'tool').chmod(0o755)
    archive = scratch / 'a.zip'
    make_zip(archive, tree)
    mounted = mount(archive)
    assert sorted(os.listdir(mounted.folder)) == sorted(os.listdir(tree))
    for name in ('folder/small', 'large', 'empty', 'link', 'tool'):
        assert (mounted / name).read_bytes() == (tree / name).read_bytes()
    assert os.readlink(mounted / 'link') == 'folder/small'
    assert (mounted / 'tool').stat().st_mode == (tree / 'tool').stat().st_mode
    assert (mounted / 'tool').stat().st_mtime == int((tree / 'tool').stat().st_mtime) // 2 * 2, 'in steps of 2 s'
    mounted.unmount()
    # The sums of the archive itself find what changed unseen.
    harness.flip(archive, b'sample')
    mounted = mount(archive)
    with pytest.raises(OSError, match='Input/output'):
        (mounted / 'folder/small').read_bytes()
    assert (mounted / 'tool').read_bytes() == (tree / 'tool').read_bytes()
    quire('verify', archive, status=1).says('sample damaged: folder/small')


def test_members_of_a_zip_with_other_methods_are_named(scratch, quire):
    archive = scratch / 'a.zip'
    with zipfile.ZipFile(archive, 'w') as written:
        written.writestr('stored', b'bytes')
        written.writestr('bzip2', b'bytes' * 1000, zipfile.ZIP_BZIP2)
    quire('index', archive, '-o', scratch / 'a.quire', status=1).says(r'bzip2: its method is 12 \(bzip2\)')
    assert quire('ls', scratch / 'a.quire').out == 'stored\n'


def test_mount_8_takes_an_archive(scratch, mount):
    if not harness.is_root():
        pytest.skip('only root mounts by mount(8)')
    archive = make_tar(scratch / 'a.tar', {'x': b'x'})
    folder = mount.prepare(scratch / 'mnt')
    helper = scratch / 'mount.quire'
    helper.symlink_to(harness.QUIRE)
    harness.run(helper, archive, folder, '-o', f'rw,index={pathlib.Path(scratch)}/index')
    assert (folder / 'x').read_bytes() == b'x'


@pytest.mark.parametrize('pattern, is_there', [('s-{0..1}.tar', True), ('s-*.tar', True), ('t-{0..1}.tar', False), ('t-*.tar', False)],
                         ids=['braces', 'star', 'braces of nothing', 'star of nothing'])
def test_mount_8_with_nofail_mounts_the_archives_that_a_pattern_names(scratch, mount, pattern, is_there):
    if not harness.is_root():
        pytest.skip('only root mounts by mount(8)')
    for number in range(2):
        make_tar(scratch / f's-{number}.tar', {f'{number}': b'x'})
    folder = mount.prepare(scratch / 'mnt')
    helper = scratch / 'mount.quire'
    helper.symlink_to(harness.QUIRE)
    assert harness.run(helper, scratch / pattern, folder, '-o', 'nofail').said == ''
    assert sorted(os.listdir(folder)) == (['0', '1'] if is_there else [])
