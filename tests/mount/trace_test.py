#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: every read that a mount answers is in the trace, as fs/TRACES.md has it; policies replayed from it hit as often as the
mount did; and whatever becomes of the recorder, the mount goes on and can be unmounted."""
import fcntl
import json
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import threading
import time

import harness
import pytest
import scenario
import trees

FOLDERS, FILES, BYTES = 10, 100, 60000
SAMPLES = FOLDERS * FILES
SEEN = 'direct_io'  # the kernel keeps nothing: all reads come to the daemon
RECORD = struct.Struct('<QQQQIIIIII')
VOLUME = 1  # a source


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, FOLDERS, FILES, BYTES)
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='names')
def list_names(tree):
    return scenario.sample_names(tree)


def read_all(shown, names):
    for name in names:
        (shown / name).read_bytes()


def record(quire, shown, trace, names):
    quire('trace', 'start', shown.path, '-o', trace)
    read_all(shown, names)
    quire('trace', 'stop', shown.path)


def report(quire, trace, *options):
    return json.loads(quire('trace', 'report', trace, '--json', *options).out)


def simulate(quire, trace, *options):
    return json.loads(quire('sim', trace, '--json', *options).out)


def parse(trace):
    """The header and records, by fs/TRACES.md alone."""
    data = pathlib.Path(trace).read_bytes()
    assert data[:8] == b'QUIRETRC'
    header_bytes, = struct.unpack_from('<I', data, 12)
    records, kinds = [], []
    at = header_bytes
    while at < len(data):
        kind, count = data[at:at + 4], struct.unpack_from('<I', data, at + 4)[0]
        content = data[at + 16:at + 16 + count]
        kinds.append(kind)
        if kind == b'RCDS':
            records += list(RECORD.iter_unpack(content))
        at += 16 + count
    assert at == len(data)
    return data[:header_bytes], records, kinds


def test_every_read_is_there(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    order = names[:]
    random.shuffle(order)
    began = time.time()
    record(quire, shown, scratch / 'trace', order)
    header, records, kinds = parse(scratch / 'trace')
    assert header[96:].startswith(os.fsencode(tree.with_suffix('.quire')))
    assert kinds[0] == b'STTB' and kinds[-1] == b'STTE' and b'LOST' not in kinds
    inode_of = {name: (shown / name).stat().st_ino for name in names}
    whole = {}
    for time_ns, node, offset, place, count, extent_bytes, latency_ns, process, level, source in sorted(records):
        assert whole.get(node, 0) == offset, 'pieces of a sample, in order'
        whole[node] = offset + count
        assert (process, extent_bytes >= count, place >= 0) == (os.getpid(), True, True)
        assert time_ns < (time.time() - began) * 1e9 and 0 < latency_ns < 60e9 and level in (0, 1, 2, 3)
        assert source == (VOLUME if level in (2, 3) else source) and source in (0, VOLUME)
    assert list(whole) == [inode_of[name] - 1 for name in order]
    assert all(whole[inode_of[name] - 1] == (tree / name).stat().st_size for name in names)


def test_what_a_tier_brought_is_told_apart(scratch, tree, names, quire, mount):
    (scratch / 'tier').mkdir(mode=0o700)
    for source, other in (('volume', 'tier'), ('tier', 'volume')):
        shown = mount(tree.with_suffix('.quire'), SEEN, f'tier={scratch}/tier')
        record(quire, shown, scratch / 'trace', names)
        sources = report(quire, scratch / 'trace')['sources']
        assert sources[source]['reads'] > 0 and sources[source]['p99_ns'] > 0
        assert sources[other]['reads'] == sources['peers']['reads'] == 0
        assert sources[source]['reads'] + sources['none']['reads'] >= SAMPLES
        text = quire('trace', 'report', scratch / 'trace').out
        assert ('\ntier ' in text) == (source == 'tier')
        shown.unmount()
        (scratch / 'trace').unlink()


def test_what_is_not_recorded_is_not_there(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    read_all(shown, names[:100])
    record(quire, shown, scratch / 'trace', names[100:300])
    read_all(shown, names[300:])
    assert len({node for _, node, *_ in parse(scratch / 'trace')[1]}) == 200
    assert simulate(quire, scratch / 'trace')['mount']['is_cold'] is False


@pytest.mark.parametrize('policy, admit', [('lru', 'page'), ('fifo', 'page'), ('pin', 'page'), ('lru', 'extent')])
def test_replayed_policies_hit_as_often_as_the_mount(scratch, tree, names, quire, mount, policy, admit):
    shown = mount(tree.with_suffix('.quire'), SEEN, 'cache_size=32M', f'policy={policy}', f'admit={admit}', 'readahead=off', 'push=off')
    order = []
    for _ in range(3):
        random.shuffle(names)
        order += names
    record(quire, shown, scratch / 'trace', order)
    counted = (found := simulate(quire, scratch / 'trace', '--policy', policy, '--slots', '14'))['mount']
    assert counted['is_cold'] and counted['slots'] == 14 and found['lost'] == 0
    reads = sum(counted[name] for name in ('hits', 'joined', 'fill_misses', 'bypasses'))
    assert reads == found['reads']
    trial, = found['trials']
    # A page is used while it is still being filled, of which the replay knows nothing: one read in a hundred may differ.
    assert trial['misses'] == pytest.approx(counted['fill_misses'] + counted['bypasses'], abs=reads / 100)
    assert 0.05 < trial['hit_ratio'] < 0.95 or admit == 'extent'
    assert trial['volume_bytes'] == pytest.approx(counted['volume_bytes'], rel=0.05)


def test_the_report_tells_epochs_and_orders(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    in_order = sorted(names)
    shuffled = random.Random(1).sample(names, len(names))
    folders = [f'{number:03}' for number in random.Random(2).sample(range(FOLDERS), FOLDERS)]
    by_class = [name for folder in folders for name in random.Random(3).sample(names, len(names)) if name.startswith(folder)]
    record(quire, shown, scratch / 'trace', in_order + shuffled + shuffled + by_class)
    found = report(quire, scratch / 'trace')
    assert [epoch['order'] for epoch in found['epochs']] == ['sequential', 'shuffled', 'shuffled', 'by class']
    assert [epoch['is_order_repeated'] for epoch in found['epochs']] == [False, False, True, False]
    assert [epoch['samples'] for epoch in found['epochs']] == [SAMPLES] * 4
    text = quire('trace', 'report', scratch / 'trace')
    assert text.says('Epoch 4: 1,000 of 1,000 samples, .*by class', 'working set', 'told the order by .quire/plan', 'twice the memory')


def test_the_order_read_is_one_to_pack_in(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    random.shuffle(names)
    record(quire, shown, scratch / 'trace', names)
    quire('trace', 'report', scratch / 'trace', '--order', scratch / 'order')
    assert (scratch / 'order').read_text().splitlines() == names
    quire('pack', '-q', '--from', tree.with_suffix('.quire'), '--order', f'list:{scratch / "order"}', '-o', scratch / 'ordered.quire')
    again = mount(scratch / 'ordered.quire', SEEN, folder=scratch / 'again')
    record(quire, again, scratch / 'second', names)
    assert [epoch['order'] for epoch in report(quire, scratch / 'second')['epochs']] == ['sequential']
    # That trace is of another pack.
    assert quire('trace', 'report', scratch / 'second', '--pack', tree.with_suffix('.quire'), status=1).says('another pack')


def test_names_with_newlines_need_a_list_by_nul(scratch, quire, pack, mount):
    (scratch / 'odd').mkdir()
    (scratch / 'odd/a\nb').write_text('x')
    pack(scratch / 'odd', scratch / 'odd.quire')
    record(quire, mount(scratch / 'odd.quire', SEEN), scratch / 'trace', ['a\nb'])
    assert quire('trace', 'report', scratch / 'trace', '--order', scratch / 'order', status=2).says('newline', '-0')
    assert quire('trace', 'report', scratch / 'trace', '-0', '--order', '-').stdout == b'a\nb\0'


def test_holes_and_failures_are_told(scratch, quire, pack, mount):
    (scratch / 'holes').mkdir()
    with open(scratch / 'holes/file', 'wb') as file:
        file.truncate(1 << 20)
        file.seek(512 << 10)
        file.write(b'x' * 4096)
    pack(scratch / 'holes', scratch / 'holes.quire')
    record(quire, mount(scratch / 'holes.quire', SEEN), scratch / 'trace', ['file'])
    levels = report(quire, scratch / 'trace')['levels']
    assert levels['hole']['bytes'] + 4096 == 1 << 20
    assert levels['page']['bytes'] + levels['extent']['bytes'] + levels['hit']['bytes'] + levels['joined']['bytes'] == 4096


def test_a_second_recorder_is_refused(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    quire('trace', 'start', shown.path, '-o', scratch / 'one')
    assert quire('trace', 'start', shown.path, '-o', scratch / 'two', status=1).says('recorded already, by process', 'quire trace stop')
    assert not (scratch / 'two').exists()
    read_all(shown, names[:10])
    quire('trace', 'stop', shown.path)
    assert len(parse(scratch / 'one')[1]) >= 10
    assert quire('trace', 'stop', shown.path, status=1).says('nobody records')
    assert quire('trace', 'start', shown.path, '-o', scratch / 'one', status=1).says('is there already')
    quire('trace', 'start', shown.path, '-o', scratch / 'one', '--force')
    quire('trace', 'stop', shown.path)
    assert parse(scratch / 'one')[1] == []


def test_a_recorder_keeps_the_mount_busy_and_is_named(scratch, tree, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    quire('trace', 'start', shown.path, '-o', scratch / 'trace')
    assert quire('umount', shown.path, status=1).says(r'quire \(process')
    quire('trace', 'stop', shown.path)
    shown.unmount()


def test_a_killed_recorder_leaves_what_came_and_nothing_switched_on(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    quire('trace', 'start', shown.path, '-o', scratch / 'trace')
    read_all(shown, names[:500])

    def have_come():
        try:
            return len(parse(scratch / 'trace')[1]) >= 500
        except (AssertionError, struct.error):  # a part of it is being written
            return False
    harness.until(10, have_come, 'all that was read was written')
    recorder, = harness.find_processes(f'quire trace start {shown.path}')
    os.kill(recorder, signal.SIGKILL)
    read_all(shown, names)
    assert len({node for _, node, *_ in parse(scratch / 'trace')[1]}) == 500
    record(quire, shown, scratch / 'next', names[:5])
    assert len({node for _, node, *_ in parse(scratch / 'next')[1]}) == 5
    shown.unmount()


def test_a_mount_that_is_ended_ends_the_recording(scratch, tree, names, quire, mount):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    quire('trace', 'start', shown.path, '-o', scratch / 'trace')
    read_all(shown, names[:50])
    harness.until(10, lambda: (scratch / 'trace').stat().st_size > 50 * RECORD.size, lambda: 'nothing was written')
    os.kill(shown.daemon(), signal.SIGTERM)
    harness.until(10, lambda: not harness.find_processes(f'quire trace start {shown.path}'), lambda: 'the recorder goes on')
    assert report(quire, scratch / 'trace')['is_whole']


def test_a_trace_that_is_cut_is_used_up_to_the_cut(scratch, tree, names, quire, mount):
    record(quire, mount(tree.with_suffix('.quire'), SEEN), scratch / 'trace', names)
    data = (scratch / 'trace').read_bytes()
    (scratch / 'cut').write_bytes(data[:len(data) // 2])
    done = quire('trace', 'report', scratch / 'cut', '--json')
    assert 'cut off' in done.err
    found = json.loads(done.out)
    assert not found['is_whole'] and 0 < found['reads'] < SAMPLES
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    (scratch / 'damaged').write_bytes(damaged)
    assert 'checksum' in quire('sim', scratch / 'damaged').err


def test_a_recorder_that_lags_costs_records_and_no_time(scratch, tree, names, mount, quire):
    """The reader of the pipe does not read: what there is no room for is counted, and reads are answered as ever."""
    shown = mount(tree.with_suffix('.quire'), SEEN)
    small = [shown / name for name in names[:50]]
    with open(shown / '.quire/trace', 'rb', buffering=0) as pipe:
        assert select.select([pipe], [], [], 10)[0], 'the header comes once the recording has begun'
        # The pipe holds a MiB, the ring 65536 records.
        files = [os.open(path, os.O_RDONLY) for path in small]
        began = time.monotonic()
        while time.monotonic() < began + 60:
            for _ in range(20):
                for file in files:
                    os.pread(file, 16, 0)
            if time.monotonic() > began + 3:
                break
        for file in files:
            os.close(file)
        stats = shown.stats()['counters']
        asked = sum(stats[name] for name in ('hits', 'joined', 'fill_misses', 'bypasses'))
        os.set_blocking(pipe.fileno(), False)
        data = bytearray()
        quiet = 0
        while quiet < 20:
            if piece := pipe.read(1 << 20):
                data += piece
                quiet = 0
            else:
                quiet += 1
                time.sleep(0.01)
    (scratch / 'trace').write_bytes(data)
    _, records, _ = parse(scratch / 'trace')
    lost = report(quire, scratch / 'trace')['lost']
    assert len(records) + lost == asked
    if asked > 100000:  # else this machine is too slow to fill it
        assert lost > 0


def test_cat_records_too(scratch, tree, names, mount, quire):
    shown = mount(tree.with_suffix('.quire'), SEEN)
    with open(scratch / 'trace', 'wb') as output, subprocess.Popen(['cat', shown / '.quire/trace'], stdout=output) as cat:
        harness.until(10, lambda: (scratch / 'trace').stat().st_size > 0, lambda: 'no header comes')
        read_all(shown, names[:7])
        harness.until(10, lambda: (scratch / 'trace').stat().st_size > 7 * RECORD.size, lambda: 'nothing comes')
        cat.terminate()
    assert report(quire, scratch / 'trace')['reads'] == 7


def test_who_opens_the_pipe_to_write_is_not_kept_waiting(tree, mount):
    shown = mount(tree.with_suffix('.quire'))
    done = harness.run('timeout', '20', 'sh', '-c', f'echo word >{shown.path}/.quire/trace', status=None)
    assert done.returncode != 124
    shown.unmount()


def test_stop_and_unmount_without_a_recording_leave_nothing_busy(tree, mount, quire):
    shown = mount(tree.with_suffix('.quire'))
    harness.run('ls', '-l', shown / '.quire')
    assert quire('trace', 'stop', shown.path, status=1).says('nobody records')
    time.sleep(0.2)  # a look keeps the mount busy for a twentieth of a second
    shown.unmount()


def test_who_is_no_mount_is_told(scratch, quire):
    for command in (['start', scratch, '-o', scratch / 'trace'], ['stop', scratch]):
        assert quire('trace', *command, status=1).says('not the root of a mount')
    assert quire('trace', 'start', scratch / 'none', '-o', scratch / 'trace', status=1).says('none')
    assert not (scratch / 'trace').exists()


def test_recordings_that_begin_and_end_side_by_side_with_reads(scratch, tree, names, mount, quire):
    shown = mount(tree.with_suffix('.quire'), SEEN, 'cache_size=16M')
    is_over = threading.Event()
    wrong = []

    def read_on():
        while not is_over.is_set():
            name = random.choice(names)
            if (shown / name).read_bytes() != (tree / name).read_bytes():
                wrong.append(name)

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(10):
            quire('trace', 'start', shown.path, '-o', scratch / str(number))
            time.sleep(0.05)
            quire('trace', 'stop', shown.path)
    finally:
        is_over.set()
        for reader in readers:
            reader.join()
    assert not wrong
    for number in range(10):
        found = report(quire, scratch / str(number))
        assert found['is_whole'] and found['processes'] <= 4 and found['reads'] > 0


def test_others_cannot_see_who_reads_what(scratch, tree, mount, ordinary_user, quire):
    if not harness.is_root():
        pytest.skip('needs root, who mounts for others')
    shown = mount(tree.with_suffix('.quire'), 'allow_other', 'control=all')
    done = ordinary_user.run('timeout', '10', 'cat', shown / '.quire/trace', status=None)
    assert done.returncode != 0 and 'ermission denied' in done.said
    assert ordinary_user.run('head', '-c', '10', shown / '.quire/stats').out


def test_json_is_documented(scratch, tree, names, mount, quire):
    page = (harness.REPOSITORY / 'packaging/man/quire-json.7.md').read_text()
    record(quire, mount(tree.with_suffix('.quire'), SEEN), scratch / 'trace', names[:50])
    for section, document in (('quire trace report', report(quire, scratch / 'trace')), ('quire sim', simulate(quire, scratch / 'trace'))):
        text = page.split(f'## {section}\n')[1].split('\n## ')[0]
        assert [name for name in fields(document) - {'schema'} if f'*{name}*' not in text and f'"{name}"' not in text] == []


def fields(value):
    if isinstance(value, list):
        return set().union(*map(fields, value)) if value else set()
    if isinstance(value, dict):
        return set(value).union(*map(fields, value.values()))
    return set()


def test_locks_of_a_recorder_are_those_that_it_says(scratch, tree, mount, quire):
    """Whoever locks the pipe keeps recorders away."""
    shown = mount(tree.with_suffix('.quire'))
    pipe = os.open(shown / '.quire/trace', os.O_RDONLY | os.O_NONBLOCK)
    fcntl.flock(pipe, fcntl.LOCK_EX)
    assert quire('trace', 'start', shown.path, '-o', scratch / 'trace', status=1).says('recorded already')
    os.close(pipe)
