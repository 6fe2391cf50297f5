#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a mount with the option `follow` shows each generation of its pack soon after it was committed, whatever the kernel
remembers of the one before; what is open stays as it is, and what has not changed stays in memory."""
import ctypes
import errno
import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import threading
import time

import harness
import pytest
from growing import append, pack, update, write
from random_tree import RandomTree, change_as_owner

SOON_S = 20  # far more than it takes, on a machine that is busy with other tests


def figures(mount):
    return json.loads((mount / '.quire/stats').read_text())


def await_generation(mount, number):
    __tracebackhide__ = True
    harness.until(SOON_S, lambda: figures(mount)['generation'] == number, f'generation {number}')


def newest(packed):
    return max(one['generation'] for one in json.loads(harness.quire('generations', packed, '--json').out)['generations'])


def await_newest(mount, packed):
    __tracebackhide__ = True
    await_generation(mount, newest(packed))


def await_trouble(mount, text):
    __tracebackhide__ = True
    harness.until(SOON_S, lambda: text in (figures(mount)['follow']['trouble'] or ''), f'trouble: {text}')


def remember_all(folder):
    """The kernel gets to know all names, attributes, listings and bytes."""
    folder = pathlib.Path(folder)
    for path in [folder, *folder.rglob('*')]:
        os.lstat(path)
        if path.is_file() and not path.is_symlink():
            path.read_bytes()
        (path / 'not there').exists() if path.is_dir() else None


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_shows_each_generation_whatever_the_kernel_remembers(scratch, mount, seed):
    chance = random.Random(seed)
    tree = scratch / 'tree'
    RandomTree(chance, tree, 100)
    first = scratch / 'first'
    harness.run('cp', '-a', tree, first)
    packed = pack(tree, scratch / 'p.quire')
    followed, fixed = mount(packed, 'follow'), mount(packed, folder=scratch / 'fixed')
    for number in range(2, 6):
        harness.assert_same_tree(tree, followed.folder)  # and so all of it is known to the kernel
        change_as_owner(chance, tree)
        update(tree, packed)
        await_generation(followed, number)
    harness.assert_same_tree(tree, followed.folder)
    harness.assert_same_tree(first, fixed.folder)
    assert figures(followed)['follow'] == {'taken': 4, 'trouble': None}
    assert figures(fixed)['follow'] is None and figures(fixed)['generation'] == 1


def test_names_that_were_not_there_and_links_are_told(scratch, mount):
    tree = scratch / 'tree'
    write(tree / 'd/a', 'a')
    os.link(tree / 'd/a', tree / 'd/b')
    os.symlink('a', tree / 'd/s')
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    assert not (followed / 'd/new').exists() and not (followed / 'e/f').exists()
    inode = (followed / 'd/b').stat().st_ino
    assert (followed / 'd/a').stat().st_nlink == 2 and os.readlink(followed / 'd/s') == 'a'
    harness.quire('rm', packed, 'd/a')  # whose bytes get the other name as their own
    await_newest(followed, packed)
    assert (followed / 'd/b').read_text() == 'a' and (followed / 'd/b').stat().st_nlink == 1
    assert not (followed / 'd/a').exists() and not (followed / 'd/s').exists() and inode
    (tree / 'd/a').unlink()
    (tree / 'd/s').unlink()
    os.symlink('b', tree / 'd/s')
    write(tree / 'd/new', 'new')
    write(tree / 'e/f', 'f')
    os.chmod(tree / 'd/b', 0o600)
    update(tree, packed)
    await_newest(followed, packed)
    assert (followed / 'd/new').read_text() == 'new' and (followed / 'e/f').read_text() == 'f'
    assert os.readlink(followed / 'd/s') == 'b' and (followed / 'd/b').stat().st_mode & 0o777 == 0o600
    harness.assert_same_tree(tree, followed.folder)


def test_what_is_open_stays_as_it_is(scratch, mount):
    tree = scratch / 'tree'
    content = random.Random(4).randbytes(5 << 20)
    write(tree / 'gone/large', content)
    write(tree / 'stays', 'x')
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    with open(followed / 'gone/large', 'rb', buffering=0) as large:
        assert large.read(1000) == content[:1000]
        folder = os.open(followed / 'gone', os.O_RDONLY)
        harness.quire('rm', packed, 'gone')
        await_newest(followed, packed)
        assert not (followed / 'gone').exists() and os.listdir(followed.folder) == ['stays']
        assert large.read() == content[1000:]
        assert os.listdir(folder) == ['large'] and os.fstat(folder).st_mode
        os.close(folder)


LIBC = ctypes.CDLL(None, use_errno=True)
GETDENTS64 = {'x86_64': 217, 'aarch64': 61}.get(os.uname().machine)


def list_some(folder):
    """Names by one getdents64(2) of a few entries."""
    buffer = ctypes.create_string_buffer(1024)
    count = LIBC.syscall(GETDENTS64, folder, buffer, len(buffer))
    assert count >= 0, os.strerror(ctypes.get_errno())
    names, at = [], 0
    while at < count:
        length, = struct.unpack_from('=H', buffer, at + 16)
        names.append(buffer[at + 19:at + length].split(b'\0')[0].decode())
        at += length
    return names


@pytest.mark.skipif(GETDENTS64 is None, reason='no number of getdents64 is known for this machine')
def test_a_listing_goes_on_with_the_generation_in_which_it_began(scratch, mount):
    tree = scratch / 'tree'
    for number in range(3000):
        write(tree / f'd/{number:04} with a name that fills pages', '')
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    before = sorted(os.listdir(tree / 'd'))
    folder = os.open(followed / 'd', os.O_RDONLY)
    listed = list_some(folder)
    for number in range(0, 3000, 3):
        (tree / f'd/{number:04} with a name that fills pages').unlink()
        write(tree / f'd/{number:04} another one', '')
    update(tree, packed)
    await_newest(followed, packed)
    while some := list_some(folder):
        listed += some
    assert sorted(set(listed) - {'.', '..'}) == before and len(listed) == len(before) + 2
    os.lseek(folder, 0, os.SEEK_SET)
    again = []
    while some := list_some(folder):
        again += some
    os.close(folder)
    assert sorted(set(again) - {'.', '..'}) == sorted(os.listdir(tree / 'd')) == sorted(os.listdir(followed / 'd'))


def test_bytes_that_stay_are_read_from_memory(scratch, mount):
    chance = random.Random(5)
    tree = scratch / 'tree'
    for number in range(2000):
        write(tree / f'd{number % 7}/{number}', chance.randbytes(3000))
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    remember_all(followed.folder)
    inodes = {path: path.stat().st_ino for path in pathlib.Path(followed.folder).rglob('*')}
    source = scratch / 'source'
    for number in range(200):
        write(source / f'd3/new{number}', chance.randbytes(3000))
    append(packed, source)
    await_newest(followed, packed)
    before = figures(followed)['counters']
    for path, inode in inodes.items():
        if not path.is_dir():
            assert path.read_bytes() == (tree / path.relative_to(followed.folder)).read_bytes() and path.stat().st_ino == inode
    # The kernel may have dropped a few for want of memory.
    after = figures(followed)['counters']
    assert after['volume_bytes'] - before['volume_bytes'] < 200 * 3000 and after['hits'] - before['hits'] < 200
    remember_all(followed.folder)
    for number in range(200):
        assert (followed / f'd3/new{number}').read_bytes() == (source / f'd3/new{number}').read_bytes()


def test_a_plan_that_is_followed_goes_on(scratch, mount):
    chance = random.Random(6)
    tree = scratch / 'tree'
    for number in range(3000):
        write(tree / f'd{number % 5}/{number}', chance.randbytes(2000))
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    order = [path.relative_to(tree) for path in tree.rglob('*') if path.is_file()]
    chance.shuffle(order)
    remember_all(tree)
    (followed / '.quire/plan').write_text(''.join(f'{path}\n' for path in order))
    for path in order[:1500]:
        assert (followed / path).read_bytes() == (tree / path).read_bytes()
    write(scratch / 'source/d2/new', 'new')
    append(packed, scratch / 'source')
    await_newest(followed, packed)
    for path in order[1500:]:
        assert (followed / path).read_bytes() == (tree / path).read_bytes()
    plan = figures(followed)['plan']
    assert plan['told'] == 3000 and plan['forgotten_plans'] == 0 and plan['unexpected_reads'] == 0
    # Names of a later generation may be planned as well.
    (followed / '.quire/plan').write_text('d2/new\n')
    assert (followed / 'd2/new').read_text() == 'new'
    harness.until(SOON_S, lambda: figures(followed)['plan']['told'] == 3001, 'the second plan')


def test_a_folder_of_the_pack_as_the_root(scratch, mount):
    tree = scratch / 'tree'
    write(tree / 'a/b/c', 'c')
    write(tree / 'other', 'x')
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow', 'subdir=a')
    assert os.listdir(followed.folder) == ['b'] and not (followed / 'new').exists()
    write(scratch / 'source/a/new', 'new')
    write(scratch / 'source/a/b/c', 'changed')
    write(scratch / 'source/beside', 'x')
    append(packed, scratch / 'source')
    await_newest(followed, packed)
    assert sorted(os.listdir(followed.folder)) == ['b', 'new']
    assert (followed / 'b/c').read_text() == 'changed' and (followed / 'new').read_text() == 'new'


def test_an_entry_in_the_place_of_the_control_files_is_shown(scratch, mount):
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    followed = mount(packed, 'follow')
    assert figures(followed)['generation'] == 1
    write(scratch / 'source/.quire', 'a sample')
    append(packed, scratch / 'source')
    harness.until(SOON_S, lambda: (followed / '.quire').is_file(), 'the entry of the pack')
    assert (followed / '.quire').read_text() == 'a sample' and '.quire' in os.listdir(followed.folder)
    harness.quire('rm', packed, '.quire')
    harness.until(SOON_S, lambda: (followed / '.quire').is_dir(), 'the control files')
    assert figures(followed)['generation'] == 3


def test_holes_of_a_later_generation_are_found(scratch, mount):
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    followed = mount(packed, 'follow')
    with open(followed / 'a', 'rb') as plain:
        assert os.lseek(plain.fileno(), 0, os.SEEK_HOLE) == 1
    (scratch / 'source').mkdir()
    with open(scratch / 'source/sparse', 'wb') as sparse:
        sparse.truncate(8 << 20)
        os.pwrite(sparse.fileno(), b'x' * 4096, 4 << 20)
    append(packed, scratch / 'source')
    await_newest(followed, packed)
    with open(followed / 'sparse', 'rb') as sparse:
        assert os.lseek(sparse.fileno(), 0, os.SEEK_DATA) == 4 << 20
        sparse.seek(0)
        assert hashlib.sha256(sparse.read()).digest() == hashlib.sha256((scratch / 'source/sparse').read_bytes()).digest()


def test_a_compressed_pack_is_followed(scratch, mount):
    tree = scratch / 'tree'
    for number in range(300):
        write(tree / f't{number}', f'some text, number {number} ' * 60)
    packed = pack(tree, scratch / 'p.quire', '--compress', 'zstd')
    followed = mount(packed, 'follow')
    remember_all(followed.folder)
    for number in range(300, 400):
        write(scratch / f'source/t{number}', f'some text, number {number} ' * 60)
    append(packed, scratch / 'source')
    await_newest(followed, packed)
    harness.run('cp', '-a', f'{scratch}/source/.', tree)
    harness.run('touch', '-r', scratch / 'source', tree)
    harness.assert_same_tree(tree, followed.folder)


def test_reads_are_recorded_through_generations(scratch, mount):
    for number in range(20):
        write(scratch / f'tree/{number}', os.urandom(200_000))
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    followed = mount(packed, 'follow')
    harness.quire('trace', 'start', followed.folder, '-o', scratch / 'trace')
    for number in range(20, 60):
        write(scratch / f'source/{number}', os.urandom(200_000))
    append(packed, scratch / 'source')
    await_newest(followed, packed)
    harness.quire('rm', '-q', packed, '5')
    for number in range(59, -1, -1):
        if number != 5:
            (followed / str(number)).read_bytes()
    harness.quire('trace', 'stop', followed.folder)
    told = json.loads(harness.quire('trace', 'report', scratch / 'trace', '--json').out)
    assert told['is_whole'] and told['pages'] == 6
    assert harness.quire('trace', 'report', scratch / 'trace', '--order', '-').out.split() == [str(number) for number in range(59, -1, -1) if number != 5]


def test_another_pack_of_the_same_name_is_told_and_not_shown(scratch, mount):
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    followed = mount(packed, 'follow')
    write(scratch / 'source/b', 'b')
    append(packed, scratch / 'source')
    await_generation(followed, 2)
    harness.quire('compact', '--in-place', packed)
    await_trouble(followed, 'another file has its name by now; mount it anew')
    write(scratch / 'source/c', 'c')
    append(packed, scratch / 'source')
    assert (followed / 'b').read_text() == 'b' and not (followed / 'c').exists()
    followed.unmount()
    followed = mount(packed, 'follow')
    assert (followed / 'c').read_text() == 'c'


def test_a_superblock_that_goes_on_from_nothing_is_refused(scratch, mount):
    """In place of the pack's own: of another one, which has more bytes, and two generations."""
    write(scratch / 'tree/a', 'a' * 5000)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    write(scratch / 'other/a', 'b' * 5000)
    other = pack(scratch / 'other', scratch / 'o.quire')
    append(other, scratch / 'tree')
    followed = mount(packed, 'follow')
    foreign = other.read_bytes()
    with open(packed, 'r+b') as file:
        own = file.read()
        file.seek(len(own))
        file.write(foreign[len(own):])
        file.seek(4096)
        file.write(foreign[4096:8192])
    await_trouble(followed, 'generation 2 does not go on from generation 1')
    assert (followed / 'a').read_text() == 'a' * 5000
    with open(packed, 'r+b') as file:  # mended: nothing is in its way any more
        file.seek(4096)
        file.write(bytes(4096))
    harness.until(SOON_S, lambda: figures(followed)['follow']['trouble'] is None, 'the end of the trouble')
    append(packed, scratch / 'other')
    await_generation(followed, 2)
    assert (followed / 'a').read_text() == 'b' * 5000


def test_a_commit_of_which_nobody_tells_is_seen_in_time(scratch, mount):
    """As where another machine writes: the writer has the file open for as long as the test takes."""
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    copied = scratch / 'copy.quire'
    shutil.copy(packed, copied)
    write(scratch / 'tree/b', 'b')
    update(scratch / 'tree', packed)
    grown = packed.read_bytes()
    followed = mount(copied, 'follow')
    assert not (followed / 'b').exists()
    with open(copied, 'r+b', buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        os.pwrite(file.fileno(), grown[before:], before)
        os.pwrite(file.fileno(), grown[4096:8192], 4096)
        await_generation(followed, 2)
        assert (followed / 'b').read_text() == 'b'


def test_readers_hear_of_one_generation_or_the_next(scratch, mount):
    """Threads list, stat and read while generations come: each answer is right for one of the two that are the newest."""
    tree = scratch / 'tree'
    names = [f'd{number % 3}/{number}' for number in range(60)]
    for name in names:
        write(tree / name, f'{name} 1 ' * 400)
    packed = pack(tree, scratch / 'p.quire')
    followed = mount(packed, 'follow')
    state = {'committed': 1, 'ends': False}
    faults, answers = [], [0]

    def read():
        chance = random.Random(threading.get_ident())
        while not state['ends']:
            name = chance.choice(names)
            shown = figures(followed)['generation'] if chance.random() < 0.05 else 0
            try:
                content = (followed / name).read_text()
                listed = os.listdir(followed / name.split('/')[0])
            except OSError as error:
                faults.append((name, errno.errorcode[error.errno]))
                continue
            answers[0] += 1
            word, number, _ = content.split(' ', 2)
            if content != f'{name} {number} ' * 400 or word != name or not shown <= int(number) <= state['committed'] + 1:
                faults.append((name, content[:40], shown, dict(state)))
            if sorted(listed) != sorted(one.split('/')[1] for one in names if one.startswith(name.split('/')[0])):
                faults.append((name, listed))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 27):
            for name in names:
                write(tree / name, f'{name} {number} ' * 400)
            update(tree, packed)
            state['committed'] = number
            await_generation(followed, number)
            time.sleep(0.05)
            # Whatever was being looked up when it came, nothing of before is kept.
            for name in names:
                assert (followed / name).read_text() == f'{name} {number} ' * 400
    finally:
        state['ends'] = True
        for thread in threads:
            thread.join()
    assert not faults, faults[:5]
    assert answers[0] > 500


def test_wrong_use_is_refused(scratch):
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    (scratch / 'm').mkdir()
    harness.quire('mount', packed, scratch / 'm', '-o', 'follow,generation=1', status=2).says("'follow' and 'generation='")
