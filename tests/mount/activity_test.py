#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: who reads what is counted exactly, while somebody looks and at no other time, and told to those alone whom it concerns."""
import json
import os
import threading
import time

import harness
import pytest
import scenario
import trees

SAMPLE_BYTES = 5000
SAMPLES = 40  # a folder
SEEN = ('direct_io', 'admit=page')  # the kernel keeps nothing: all reads come to the daemon
HOSTILE = os.fsdecode(b'a\x1b[31mred\n\xff')


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.fill_folders(tree, ('train/busy', 'train/idle', HOSTILE), SAMPLES, SAMPLE_BYTES)
    (tree / 'top.bin').write_bytes(os.urandom(SAMPLE_BYTES))
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='packed')
def get_pack(tree):
    return tree.with_suffix('.quire')


def read_once(path):
    """One request."""
    file = os.open(path, os.O_RDONLY)
    assert len(os.read(file, 1 << 20)) == SAMPLE_BYTES
    os.close(file)


def read_folder(shown, folder):
    for name in sorted(os.listdir(shown / folder)):
        read_once(shown / folder / name)


def activity(shown):
    time.sleep(scenario.STATS_AGE_S)
    return json.loads((shown / '.quire/activity').read_bytes())


def requests(document, operation):
    return sum(each['requests'] for entry in document['operations'] if entry['operation'] == operation for each in entry['latency'])


def folders(document):
    return {entry['path']: (entry['reads'], entry['files'], entry['bytes']) for entry in document['folders']}


def test_reads_are_counted_by_thread_and_folder_from_the_first_look_on(packed, mount):
    shown = mount(packed, *SEEN)
    read_folder(shown, 'train/idle')
    assert activity(shown)['threads'] == []
    read_folder(shown, 'train/busy')
    read_folder(shown, HOSTILE)
    read_once(shown / 'top.bin')
    reader = threading.Thread(target=read_folder, args=(shown, 'train/busy'))
    reader.start()
    reader.join()
    told = activity(shown)
    reads = {entry['thread']: (entry['reads'], entry['files'], entry['bytes']) for entry in told['threads']}
    assert reads == {threading.get_native_id(): (81, 81, 81 * SAMPLE_BYTES), reader.native_id: (40, 40, 40 * SAMPLE_BYTES)}
    assert folders(told) == {'train/busy': (80, 80, 80 * SAMPLE_BYTES), 'a\x1b[31mred\n\ufffd': (40, 40, 40 * SAMPLE_BYTES),
                             '': (1, 1, SAMPLE_BYTES)}
    assert (requests(told, 'read'), told['unassigned_reads']) == (121, 0)
    assert requests(told, 'readdir') > 0 and 0 < told['counted_s'] < 10
    assert told['pid_namespace'] == os.stat('/proc/self/ns/pid').st_ino


def test_what_is_asked_of_control_files_does_not_count(packed, mount):
    shown = mount(packed, *SEEN)
    before = activity(shown)
    for _ in range(3):
        after = activity(shown)
        list((shown / '.quire').iterdir())
    assert [requests(after, name) - requests(before, name) for name in ('lookup', 'getattr', 'read', 'readdir')] == [0, 0, 0, 0]


def test_reads_that_wait_count_too(packed, mount):
    shown = mount(packed, 'direct_io', 'admit=extent', 'readahead=off')
    activity(shown)
    read_folder(shown, 'train/busy')
    told = activity(shown)
    assert sum(each['reads'] for each in shown.stats()['waits']['latency']) == 40
    assert (requests(told, 'read'), folders(told)) == (40, {'train/busy': (40, 40, 40 * SAMPLE_BYTES)})


def test_folders_are_named_below_the_root_of_the_mount(packed, mount):
    shown = mount(packed, *SEEN, 'subdir=train')
    activity(shown)
    read_folder(shown, 'busy')
    assert folders(activity(shown)) == {'busy': (40, 40, 40 * SAMPLE_BYTES)}


def test_counting_ends_when_nobody_looks(packed, mount):
    shown = mount(packed, *SEEN)
    activity(shown)
    time.sleep(10.2)
    read_folder(shown, 'train/busy')
    told = activity(shown)
    assert (told['threads'], requests(told, 'read')) == ([], 0)
    assert abs(told['counted_s'] - 10) < 0.01
    read_folder(shown, 'train/busy')
    assert folders(activity(shown)) == {'train/busy': (40, 40, 40 * SAMPLE_BYTES)}


def test_a_recording_sees_the_same_reads_meanwhile(scratch, packed, mount, quire):
    shown = mount(packed, *SEEN)
    activity(shown)
    quire('trace', 'start', shown.path, '-o', scratch / 'trace')
    read_folder(shown, 'train/busy')
    quire('trace', 'stop', shown.path)
    report = json.loads(quire('trace', 'report', scratch / 'trace', '--json').out)
    assert (report['reads'], report['lost']) == (40, 0)
    assert folders(activity(shown)) == {'train/busy': (40, 40, 40 * SAMPLE_BYTES)}


def test_only_who_mounted_sees_who_reads(packed, mount, ordinary_user):
    if not harness.is_root():
        pytest.skip('only root can be another user')
    shown = mount(packed, *SEEN, 'allow_other', 'control=all')
    control = shown / '.quire'
    assert ordinary_user.run('cat', control / 'stats').out.startswith('{')
    for name in ('activity', 'trace'):
        assert ordinary_user.run('timeout', '5', 'cat', control / name, status=1).says('Permission denied')
    assert os.stat(control / 'activity').st_mode & 0o777 == 0o400
