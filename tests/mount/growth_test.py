#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: each generation of a pack that grows is the tree that it should be, for ever: `quire append` is as copying over it, `quire
pack --update` as packing anew, `quire rm` as removing; writers exclude each other, readers go on, and whatever ends a writer
leaves the old generation or the new one."""
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import threading
import time

import harness
import power_loss
import pytest
from growing import append, assert_counts_are_true, assert_history, assert_is, copy, copy_over, generations, pack, update, write
from random_tree import RandomTree, change_as_owner

SUPERBLOCK_BYTES = 4096
MOST_LAYERS = 64


@pytest.fixture(name='mounts')
def get_mounts(mount):
    return mount


@pytest.mark.parametrize('seed', [1, 2, 3, 4])
def test_appending_is_copying_over(scratch, mounts, seed):
    chance = random.Random(seed)
    RandomTree(chance, scratch / 'tree', 80)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    copies = [scratch / 'tree']
    for number in range(2, 5):
        source, model = scratch / f'source{number}', scratch / f'model{number}'
        RandomTree(chance, source, 40)
        # Some of what is there comes again, changed and unchanged, and as something else.
        for name in chance.sample(sorted(os.listdir(copies[-1])), 4):
            path = os.path.join(source, name)
            if not os.path.lexists(path):
                copy(copies[-1] / name, path)
        copy(copies[-1], model)
        copy_over(source, model)
        append(packed, source)
        copies.append(model)
    assert_history(packed, copies, mounts)
    harness.quire('extract', packed, '-C', scratch / 'extracted')
    harness.assert_same_tree(copies[-1], scratch / 'extracted')


@pytest.mark.parametrize('seed', [5, 6, 7, 8])
def test_an_update_is_packing_anew(scratch, mounts, seed):
    chance = random.Random(seed)
    tree = scratch / 'tree'
    RandomTree(chance, tree, 120)
    packed = pack(tree, scratch / 'p.quire')
    copies = []
    for number in range(1, 5):
        copies.append(scratch / f'copy{number}')
        copy(tree, copies[-1])
        change_as_owner(chance, tree)
        update(tree, packed)
        assert len(generations(packed)) == number + 1
        assert_is(packed, tree, mounts)
    assert_history(packed, [*copies, tree], mounts)


def test_an_update_of_an_unchanged_tree_writes_nothing(scratch):
    RandomTree(random.Random(9), scratch / 'tree', 100)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    for _ in range(2):
        before = (packed.read_bytes(), packed.stat().st_mtime_ns)
        update(scratch / 'tree', packed).says('nothing has changed')
        assert (packed.read_bytes(), packed.stat().st_mtime_ns) == before
        (scratch / 'tree/one more').write_text('x')
        update(scratch / 'tree', packed).says('generation [24]', '1 sample written')
        (scratch / 'tree/one more').unlink()
        update(scratch / 'tree', packed)


def test_an_update_reads_only_what_changed(scratch):
    """A file whose bytes changed, but neither its size nor its time, stays as it was: as with rsync."""
    write(scratch / 'tree/same', 'old')
    write(scratch / 'tree/other', 'old')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    status = os.stat(scratch / 'tree/same')
    with open(scratch / 'tree/same', 'r+b') as file:
        file.write(b'new')
    os.utime(scratch / 'tree/same', ns=(status.st_atime_ns, status.st_mtime_ns))
    write(scratch / 'tree/other', 'new')
    update(scratch / 'tree', packed).says('1 sample written')
    assert harness.quire('cat', packed, 'same', 'other').out == 'oldnew'


def test_an_update_finds_files_by_any_of_their_names(scratch, mounts):
    """Which of a file's names was scanned first, and which has the content in the pack, depends on when they came."""
    tree = hard_linked(scratch)
    write(tree / 'a/alone', 'other content')
    packed = pack(tree, scratch / 'p.quire')
    copies = []
    for number, (new, of) in enumerate((('a/before', 'a/first'), ('0', 'b/third'), ('a/b', 'a/sym'), ('a/alone again', 'a/alone'), ('a/before', 'a/sym')), 2):
        copies.append(scratch / f'copy{number}')
        copy(tree, copies[-1])
        (tree / new).unlink(missing_ok=True)
        os.link(tree / of, tree / new, follow_symlinks=False)
        update(tree, packed).says(f'generation {number}', '0 samples written')
        update(tree, packed).says('nothing has changed')
    assert_history(packed, [*copies, tree], mounts)


def test_an_update_without_a_pack_makes_one(scratch):
    write(scratch / 'tree/a', 'a')
    update(scratch / 'tree', scratch / 'p.quire')
    assert [one['generation'] for one in generations(scratch / 'p.quire')] == [1]


def hard_linked(scratch):
    write(scratch / 'tree/a/first', 'content')
    os.makedirs(scratch / 'tree/b')
    for name in 'a/second', 'b/third', 'b/fourth':
        os.link(scratch / 'tree/a/first', scratch / 'tree' / name)
    os.symlink('first', scratch / 'tree/a/sym')
    os.link(scratch / 'tree/a/sym', scratch / 'tree/b/sym', follow_symlinks=False)
    return scratch / 'tree'


@pytest.mark.parametrize('gone', [['a/first'], ['a/second', 'b/third'], ['a'], ['b'], ['a/sym', 'a/first'], ['b/*'], ['a/first', 'a']])
def test_other_names_of_what_is_removed_stay(scratch, mounts, gone):
    tree = hard_linked(scratch)
    packed = pack(tree, scratch / 'p.quire')
    times = {folder: os.stat(tree / folder) for folder in ('', 'a', 'b')}
    copy(tree, scratch / 'before')
    harness.quire('rm', packed, *gone)
    for name in gone:
        for path in tree.glob(name):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for folder, status in times.items():  # rm changes no times of folders
        if (tree / folder).exists():
            os.utime(tree / folder, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert_history(packed, [scratch / 'before', tree], mounts)


def test_other_names_of_what_is_replaced_stay(scratch, mounts):
    tree = hard_linked(scratch)
    packed = pack(tree, scratch / 'p.quire')
    copies = [tree]
    for number, name in enumerate(('a/first', 'b/third', 'a/sym', 'b/fourth'), 2):
        source, model = scratch / f'source{number}', scratch / f'model{number}'
        write(source / name, f'new {number}')
        copy(copies[-1], model)
        copy_over(source, model)
        append(packed, source)
        copies.append(model)
    assert_history(packed, copies, mounts)


def test_a_directory_takes_the_place_of_a_file_and_the_reverse(scratch, mounts):
    write(scratch / 'tree/file', 'x')
    write(scratch / 'tree/folder/in/it', 'y')
    os.symlink('file', scratch / 'tree/sym')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    copies = [scratch / 'tree']
    for number, (to_folder, to_file) in enumerate((('file', 'folder'), ('sym', 'file'), ('folder', 'sym')), 2):
        source, model = scratch / f'source{number}', scratch / f'model{number}'
        write(source / to_folder / 'inside', f'{number}')
        write(source / to_file, f'a file {number}')
        copy(copies[-1], model)
        copy_over(source, model)
        append(packed, source)
        copies.append(model)
    assert_history(packed, copies, mounts)


def test_at_names_a_directory_that_is_there_or_a_new_one_in_it(scratch, mounts):
    write(scratch / 'tree/train/a/1', '1')
    write(scratch / 'more/a/2', '2')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    model = scratch / 'model'
    copy(scratch / 'tree', model)
    for at, path in (('train', 'train'), ('/train/new/', 'train/new'), ('train/new/a/b', 'train/new/a/b')):
        append(packed, scratch / 'more', '--at', at)
        times = os.stat((model / path).parent)
        copy_over(scratch / 'more', model / path)
        if path != 'train':  # the folder that gets one keeps its time
            os.utime((model / path).parent, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert_is(packed, model, mounts)
    append(packed, scratch / 'more', '--at', 'not/there', status=1).says('not in the pack')
    append(packed, scratch / 'more', '--at', 'train/a/1', status=1).says('no directory')
    append(packed, scratch / 'more', '--at', 'train/../new', status=2).says(r"without '\.\.'")
    assert len(generations(packed)) == 4


def test_inodes_of_what_stays_are_for_ever(scratch, mounts):
    write(scratch / 'tree/folder/kept', 'x')
    write(scratch / 'more/folder/new', 'y')
    packed = pack(scratch / 'tree', scratch / 'p.quire')

    def inodes():
        mount = mounts(packed)
        found = [os.stat(mount / name).st_ino for name in ('', 'folder', 'folder/kept')]
        mount.unmount()
        return found
    before = inodes()
    append(packed, scratch / 'more')
    assert inodes() == before


def test_compressed_samples_stay_readable(scratch, mounts):
    for number in range(300):
        write(scratch / f'tree/{number % 7}/{number}.json', json.dumps({'number': number, 'text': 'word ' * 50}))
    packed = pack(scratch / 'tree', scratch / 'p.quire', '--compress', 'zstd')
    write(scratch / 'more/3/new', os.urandom(3000000))
    model = scratch / 'model'
    copy(scratch / 'tree', model)
    copy_over(scratch / 'more', model)
    append(packed, scratch / 'more')
    assert_history(packed, [scratch / 'tree', model], mounts)
    harness.quire('info', packed)


def test_a_pack_of_many_generations_can_be_packed_from(scratch, mounts):
    RandomTree(random.Random(11), scratch / 'tree', 60)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    write(scratch / 'more/and/more', 'x')
    append(packed, scratch / 'more')
    copy_over(scratch / 'more', scratch / 'tree')
    harness.quire('pack', '--progress', 'never', '--from', packed, '-o', scratch / 'one.quire')
    assert len(generations(scratch / 'one.quire')) == 1
    assert_is(scratch / 'one.quire', scratch / 'tree', mounts)
    harness.quire('export', packed, '-o', scratch / 'all.tar')
    os.mkdir(scratch / 'untarred')
    harness.run('tar', '--xattrs', '--xattrs-include=user.*', '-C', scratch / 'untarred', '-xpf', scratch / 'all.tar')
    harness.assert_same_tree(scratch / 'tree', scratch / 'untarred')


def test_there_are_64_layers_at_most(scratch, mounts):
    write(scratch / 'tree/base', '0')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    for number in range(2, MOST_LAYERS + 1):
        write(scratch / f'tree/folder{number % 5}/{number}', f'{number}')
        update(scratch / 'tree', packed)
    before = packed.read_bytes()
    write(scratch / 'tree/too many', 'x')
    update(scratch / 'tree', packed, status=1).says('64 generations', 'quire compact --in-place')
    harness.quire('rm', packed, 'base', status=1).says('64 generations')
    assert packed.read_bytes() == before
    (scratch / 'tree/too many').unlink()
    harness.run('touch', '-r', scratch / 'tree/base', scratch / 'tree')
    mount = mounts(packed)
    for number in range(2, MOST_LAYERS + 1):
        assert (mount / f'folder{number % 5}/{number}').read_text() == f'{number}'
    assert sorted(os.listdir(mount / 'folder1')) == sorted(str(n) for n in range(2, MOST_LAYERS + 1) if n % 5 == 1)
    harness.quire('verify', packed)


def test_a_second_writer_ends_at_once(scratch):
    write(scratch / 'tree/a', 'a')
    write(scratch / 'more/b', 'b')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    with open(packed, 'r+b') as file:
        fcntl.fcntl(file, 37, struct.pack('hhqqixxxx', fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
        started = time.monotonic()
        for command in (['append', packed, scratch / 'more'], ['rm', packed, 'a'], ['pack', scratch / 'tree', '-o', packed, '--update']):
            harness.quire(*command, status=1).says('another process')
        assert time.monotonic() - started < 30, 'they waited'
        assert harness.quire('cat', packed, 'a').out == 'a'  # readers do not ask
    append(packed, scratch / 'more')


def test_readers_of_an_older_generation_go_on(scratch, mounts):
    chance = random.Random(12)
    for number in range(200):
        write(scratch / f'tree/{number % 9}/{number}', chance.randbytes(20000))
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    mount = mounts(packed, 'cache_size=8M', 'push=off', 'direct_io')
    wrong, stop = [], threading.Event()

    def read():
        own = random.Random(13)
        while not stop.is_set():
            name = f'{own.randrange(9)}'
            for file in os.listdir(mount / name):
                if (mount / name / file).read_bytes() != (scratch / 'tree' / name / file).read_bytes():
                    wrong.append(file)
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(6):
        write(scratch / f'more{number}/{number % 9}/new{number}', chance.randbytes(3000000))
        write(scratch / f'more{number}/{number % 9}/{number}', b'replaced')
        append(packed, scratch / f'more{number}')
        harness.quire('rm', packed, f'{(number + 1) % 9}/new*', status=None)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    harness.assert_same_tree(scratch / 'tree', mount.folder)


def test_what_cannot_grow_says_what_to_do(scratch):
    write(scratch / 'tree/a', 'a' * 100)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    append(packed, scratch / 'missing', status=1).says('missing')
    append(scratch / 'missing.quire', scratch / 'tree', status=1).says('No such file')
    append(scratch / 'tree/a', scratch / 'tree', status=1).says('not a Quire pack')
    harness.quire('rm', packed, '/', status=2).says('root')
    harness.quire('rm', packed, 'nothing', status=1).says('not in the pack')
    for options in ('--mtime', '2026-01-01'), ('-f',), ('--skip-unreadable',):
        update(scratch / 'tree', packed, *options, status=2).says('--update')
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', 'a')
    harness.quire('index', scratch / 'a.tar', '-o', scratch / 'index.quire', status=None)
    if (scratch / 'index.quire').exists():
        append(scratch / 'index.quire', scratch / 'tree', status=1).says('index of archives', 'pack --from')
    inside = scratch / 'tree/inside.quire'
    shutil.copy(packed, inside)
    append(inside, scratch / 'tree', status=2).says('lies inside')
    inside.unlink()


def writers_of(packed, scratch):
    """Of each command that writes a pack: the words behind `quire`."""
    return [['append', packed, scratch / 'more'], ['rm', packed, 'a'], ['pack', scratch / 'more', '-o', packed, '--update'],
            ['compact', packed, '--in-place']]


@pytest.mark.parametrize('number', range(4))
def test_a_damaged_slot_of_an_older_generation_is_mended_by_the_next_commit(scratch, number):
    write(scratch / 'tree/a', 'a')
    write(scratch / 'more/b', 'b')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    append(packed, scratch / 'more')
    harness.flip(packed, 100)  # the slot of generation 1
    harness.quire('verify', packed, status=1).says('slot 0')
    write(scratch / 'more/c', 'c')
    harness.quire(*writers_of(packed, scratch)[number])
    harness.quire('verify', packed)


@pytest.mark.parametrize('number', range(4))
@pytest.mark.parametrize('count', [1, 2], ids=['one_generation', 'two'])
def test_a_damaged_slot_of_what_may_be_the_newest_generation_stops_writers(scratch, number, count):
    """Its bytes are there, and who has them can still save them."""
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    for name in range(count):
        write(scratch / f'more/{name}', 'x')
        append(packed, scratch / 'more')
    harness.flip(packed, 100 + 4096 * (count % 2))
    before = packed.read_bytes()
    harness.quire(*writers_of(packed, scratch)[number], status=1).says(f'slot {count % 2}', 'newer', 'quire pack --from')
    assert packed.read_bytes() == before


def test_generations_say_what_changed(scratch):
    write(scratch / 'tree/a', 'a')
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    write(scratch / 'more/folder/b', 'b')
    append(packed, scratch / 'more')
    harness.quire('rm', packed, 'a')
    harness.quire('generations', packed).says(r'^ +3 .*-1 sample', r'^ +2 .*\+1 sample, \+1 directory', r'^ +1 +- ')
    found = generations(packed)
    assert [one['generation'] for one in found] == [3, 2, 1]
    assert [one['samples'] for one in found] == [1, 2, 1]
    assert found[2]['time'] is None and found[0]['time'] >= found[1]['time'] > '2'
    assert harness.quire('cat', packed, 'a', '--generation', '2').out == 'a'
    harness.quire('cat', packed, 'a', status=1).says('not in the pack')
    harness.quire('ls', packed, '--generation', '4', status=1).says('no generation 4', 'from 1 to 3')
    for odd in '0', '-1', 'x':
        harness.quire('ls', packed, '--generation', odd, status=2).says('--generation')


def test_a_diff_tells_each_change_once(scratch):
    for name in 'kept/same', 'kept/changed', 'gone/inside', 'chmod':
        write(scratch / 'tree' / name, name)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    times = {folder: os.stat(scratch / 'tree' / folder) for folder in ('', 'kept')}
    write(scratch / 'tree/kept/changed', 'another')
    write(scratch / 'tree/kept/new/inside', 'x')
    shutil.rmtree(scratch / 'tree/gone')
    os.chmod(scratch / 'tree/chmod', 0o600)
    for folder, status in times.items():
        os.utime(scratch / 'tree' / folder, ns=(status.st_atime_ns, status.st_mtime_ns))
    update(scratch / 'tree', packed)
    harness.quire('rm', packed, 'kept/new')

    def changes(*which):
        found = json.loads(harness.quire('generations', packed, '--json', '--diff', *which).out)['changes']
        return sorted((change['kind'], change['path']) for change in found if not (change['kind'] == 'attributes' and change['path'] in ('', 'kept')))
    assert changes('1', '2') == [('added', 'kept/new'), ('attributes', 'chmod'), ('changed', 'kept/changed'), ('removed', 'gone')]
    assert changes('2', '3') == [('removed', 'kept/new')]
    assert changes('1', '3') == [('attributes', 'chmod'), ('changed', 'kept/changed'), ('removed', 'gone')]
    for which in ('1',), ('2', '1'), ('1', '1'), ('a', 'b'), ('1', '2', '3'):
        harness.quire('generations', packed, '--diff', *which, status=None if len(which) == 3 else 2)
    harness.quire('generations', packed, '--diff', '1', '9', status=1).says('no generation 9')


def content_of(packed, scratch):
    """What a whole pack holds; fails where it is not whole."""
    harness.quire('verify', packed)
    target = scratch / 'looked-at'
    shutil.rmtree(target, ignore_errors=True)
    harness.quire('extract', packed, '-C', target)
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob('*') if path.is_file()}


def test_a_writer_that_is_killed_leaves_the_old_generation_or_the_new_one(scratch):
    chance = random.Random()
    for number in range(50):
        write(scratch / f'tree/{number % 5}/{number}', chance.randbytes(2000))
        write(scratch / f'more/{number % 5}/new{number}', chance.randbytes(100000))
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    old = content_of(packed, scratch)
    pristine = packed.read_bytes()
    started = time.monotonic()
    append(packed, scratch / 'more')
    whole_s = time.monotonic() - started
    new = content_of(packed, scratch)
    assert len(new) == 100
    outcomes = set()
    for _ in range(25):
        packed.write_bytes(pristine)
        with subprocess.Popen([harness.QUIRE, 'append', '-q', packed, scratch / 'more'], stderr=subprocess.DEVNULL) as writer:
            time.sleep(chance.uniform(0, 1.2 * whole_s))
            writer.send_signal(signal.SIGKILL)
        found = content_of(packed, scratch)
        assert found in (old, new)
        outcomes.add(found == new)
        if found == old:  # and the next writer finishes it
            append(packed, scratch / 'more')
            assert content_of(packed, scratch) == new
    print('outcomes', outcomes)


def test_a_power_cut_leaves_the_old_generation_or_the_new_one(scratch):
    if not shutil.which('strace'):
        pytest.skip('there is no strace')
    chance = random.Random(14)
    for number in range(20):
        write(scratch / f'tree/{number % 5}/{number}', chance.randbytes(2000))
        write(scratch / f'more/{number % 5}/new{number}', chance.randbytes(3000))
    folder = scratch / 'folder'
    folder.mkdir()
    packed = pack(scratch / 'tree', folder / 'p.quire')
    old = content_of(packed, scratch)
    before = {'p.quire': packed.read_bytes()}
    trace = scratch / 'trace'
    harness.run(*power_loss.STRACE, '-o', trace, harness.QUIRE, 'append', '-j', '2', packed, scratch / 'more')
    new = content_of(packed, scratch)
    recording = power_loss.Recording(trace, str(folder), before)
    assert recording.state(1 << 40, 1)[0]['p.quire'] == packed.read_bytes(), 'what was recorded is not what was written'
    assert recording.state(1 << 40, 0)[0]['p.quire'] == packed.read_bytes(), 'something is written later'
    stored = recording.before['p.quire']
    moments = sorted({time + more for begin, end, *_ in stored.changes + stored.syncs for time in (begin, end) for more in (0, 1)})
    assert len(moments) >= 8
    outcomes, seen = set(), set()
    for moment in moments:
        for kept in (0, 1, chance, chance):
            state = recording.state(moment, kept)[0]['p.quire']
            if state in seen:
                continue
            seen.add(state)
            (scratch / 'after.quire').write_bytes(state)
            verified = harness.quire('verify', scratch / 'after.quire', status=None)
            if verified.returncode != 0:  # the slot was torn, which verify tells
                verified.says('slot 1')
            shutil.rmtree(scratch / 'looked-at', ignore_errors=True)
            harness.quire('extract', scratch / 'after.quire', '-C', scratch / 'looked-at')
            found = {str(path.relative_to(scratch / 'looked-at')): path.read_bytes()
                     for path in (scratch / 'looked-at').rglob('*') if path.is_file()}
            assert found in (old, new), f'power lost before line {moment + 1} of the trace'
            outcomes.add(found == new)
            if found == old:  # and the next writer finishes it, whatever is left of a slot
                append(scratch / 'after.quire', scratch / 'more')
                assert content_of(scratch / 'after.quire', scratch) == new
    assert outcomes == {False, True}
