#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire compact` makes one generation of a pack that has grown: the same tree, without what is gone, in place too, where
whatever ends it leaves the old pack or the new one."""
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time

import harness
import pytest
from random_tree import RandomTree


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def generations(packed):
    return len(json.loads(harness.quire('generations', packed, '--json').out)['generations'])


@pytest.fixture(name='grown')
def make_grown(scratch):
    """A pack of four generations, of which a sample of 3 MB is gone, and the tree that it is."""
    RandomTree(random.Random(5), scratch / 'tree', 100)
    write(scratch / 'tree/gone', random.Random(1).randbytes(3 << 20))
    write(scratch / 'tree/stays', 'text\n' * 5000)
    os.link(scratch / 'tree/stays', scratch / 'tree/other-name')
    packed = scratch / 'p.quire'
    harness.pack(scratch / 'tree', packed, '--order', 'shuffle:7')
    for number in range(2):
        write(scratch / f'more{number}/added/{number}', f'{number}' * 3000)
        harness.quire('append', packed, scratch / f'more{number}')
    harness.quire('rm', packed, 'gone')
    model = scratch / 'model'
    harness.quire('extract', packed, '-C', model)
    assert generations(packed) == 4
    return packed, model


@pytest.mark.parametrize('in_place', [False, True], ids=['output', 'in_place'])
def test_it_is_the_same_tree_without_what_is_gone(scratch, mount, quire, grown, in_place):
    packed, model = grown
    before = packed.stat()
    compacted = packed if in_place else scratch / 'c.quire'
    quire('compact', packed, *(('--in-place',) if in_place else ('-o', compacted))).says('4 generations of .* are one of')
    assert generations(compacted) == 1
    assert compacted.stat().st_size < before.st_size - (3 << 20)
    assert compacted.stat().st_mode == before.st_mode
    quire('verify', compacted).says('no fault')
    harness.assert_same_tree(model, mount(compacted).folder)
    if not in_place:
        assert generations(packed) == 4
        quire('compact', packed, '-o', compacted, status=1).says('exists')
        quire('compact', packed, '-o', compacted, '-f')
    quire('append', compacted, scratch / 'more0')  # it can grow again


def test_who_reads_the_old_pack_goes_on(mount, quire, grown):
    packed, model = grown
    old = mount(packed)
    with open(old / 'stays', 'rb') as opened:
        quire('compact', packed, '--in-place')
        assert opened.read() == (model / 'stays').read_bytes()
    harness.assert_same_tree(model, old.folder)
    old.unmount()
    harness.assert_same_tree(model, mount(packed).folder)


def test_as_many_generations_as_there_may_be(scratch, quire):
    packed = scratch / 'p.quire'
    write(scratch / 'tree/first', 'first')
    harness.pack(scratch / 'tree', packed)
    for number in range(63):
        write(scratch / 'more' / f'{number}', f'{number}')
        quire('append', '-q', packed, scratch / 'more')
        (scratch / 'more' / f'{number}').unlink()
    write(scratch / 'more/last', 'last')
    quire('append', packed, scratch / 'more', status=1).says('64 generations', 'quire compact --in-place')
    quire('compact', packed, '--in-place')
    quire('append', packed, scratch / 'more')
    assert quire('cat', packed, 'first', '0', '62', 'last').out == 'first062last'


def order_of(packed):
    return next(line for line in harness.quire('info', packed).out.splitlines() if line.startswith('order'))


def test_order_and_compression_stay_or_change(scratch, quire, grown):
    packed, _ = grown
    quire('compact', packed, '-o', scratch / 'same.quire')
    assert 'shuffle' in order_of(scratch / 'same.quire'), 'as it was packed first'
    quire('compact', packed, '-o', scratch / 'path.quire', '--order', 'path', '--compress', 'zstd')
    assert 'path' in order_of(scratch / 'path.quire')
    quire('info', scratch / 'path.quire').says('^compression')
    quire('append', scratch / 'path.quire', scratch / 'more0')
    quire('compact', scratch / 'path.quire', '--in-place')
    quire('info', scratch / 'path.quire').says('^compression')
    quire('compact', scratch / 'path.quire', '--in-place', '--compress', 'none')
    assert '\ncompression' not in quire('info', scratch / 'path.quire').out
    quire('verify', scratch / 'path.quire').says('no fault')


def test_what_is_stored_once_stays_so(scratch, quire):
    for number in range(4):
        write(scratch / f'tree/{number}', random.Random(9).randbytes(1 << 20))
    harness.pack(scratch / 'tree', scratch / 'p.quire', '--dedup')
    quire('compact', scratch / 'p.quire', '-o', scratch / 'c.quire')
    assert (scratch / 'c.quire').stat().st_size < 3 << 20


def test_one_writer_at_a_time(scratch, quire, grown):
    packed, _ = grown
    with open(packed, 'r+b') as other:
        fcntl.fcntl(other, 37, struct.pack('hhqqi', fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK
        quire('compact', packed, '--in-place', status=1).says('another process')
        quire('compact', packed, '-o', scratch / 'c.quire')  # which only reads


def test_a_writer_beside_it_is_never_lost(scratch, grown):
    """Appends that succeed are in the pack that is there afterwards, whatever came first."""
    packed, _ = grown
    added = []

    def append():
        for number in range(20):
            write(scratch / f'beside{number}' / f'beside{number}', f'{number}')
            done = harness.quire('append', '-q', packed, scratch / f'beside{number}', status=None)
            if done.returncode == 0:
                added.append(f'beside{number}')
            else:
                done.says('another process|was replaced meanwhile')

    writer = threading.Thread(target=append)
    writer.start()
    while writer.is_alive():
        done = harness.quire('compact', '-q', packed, '--in-place', status=None)
        assert done.returncode == 0 or done.says('another process|was replaced meanwhile')
    writer.join()
    assert added
    harness.quire('verify', packed).says('no fault')
    assert set(added) <= set(harness.quire('ls', packed).out.split())


def test_what_ends_it_leaves_the_old_pack_or_the_new_one(scratch, grown):
    packed, _ = grown
    pristine = packed.read_bytes()
    started = time.monotonic()
    harness.quire('compact', '-q', packed, '--in-place')
    whole_s = time.monotonic() - started
    compacted = packed.read_bytes()
    chance = random.Random()
    for number in range(20):
        packed.write_bytes(pristine)
        with subprocess.Popen([harness.QUIRE, 'compact', '-q', packed, '--in-place'], stderr=subprocess.DEVNULL) as command:
            time.sleep(chance.uniform(0, 1.2 * whole_s))
            command.send_signal(signal.SIGKILL if number % 2 else signal.SIGINT)
        assert packed.read_bytes() in (pristine, compacted)


def test_only_in_place_replaces_the_pack_itself(scratch, quire, grown):
    packed, _ = grown
    before = packed.read_bytes()
    (scratch / 'other-name').symlink_to(packed)
    for output in packed, scratch / 'other-name':
        quire('compact', packed, '-o', output, '-f', status=2).says('--in-place')
    assert packed.read_bytes() == before


def test_a_damaged_sample_stops_it(scratch, quire, grown):
    packed, model = grown
    harness.flip(packed, (model / 'stays').read_bytes()[:400])
    before = packed.read_bytes()
    quire('compact', packed, '--in-place', status=1).says('stays|other-name', 'pack --from .* --skip-unreadable')
    assert packed.read_bytes() == before
    assert sorted(os.listdir(scratch)) == sorted(['model', 'more0', 'more1', 'p.quire', 'tree'])


def test_of_an_index_it_is_refused(scratch, quire):
    write(scratch / 'tree/sample', 'a')
    harness.pack(scratch / 'tree', scratch / 'a.quire')
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire')
    quire('compact', scratch / 'merged.quire', '--in-place', status=1).says('is an index', 'pack --from')


@pytest.mark.parametrize('words', [(), ('--in-place', '-o', 'x'), ('--in-place', '-f'), ('--in-place', '--order', 'odd'),
                                   ('--in-place', '--compress', 'odd')], ids=' '.join)
def test_wrong_words_are_wrong_usage(scratch, quire, words):
    write(scratch / 'tree/sample', 'a')
    harness.pack(scratch / 'tree', scratch / 'a.quire')
    quire('compact', scratch / 'a.quire', *words, status=2)
    shutil.rmtree(scratch / 'tree')
    assert os.listdir(scratch) == ['a.quire']
