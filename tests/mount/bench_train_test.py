#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire bench train` measures only what memory cannot hold, unless it is told to; plays the job that was asked for; tells
of as many accelerators as it measured and of no more; and says what failed and where the bytes came from."""
import contextlib
import json
import os
import pathlib
import random
import signal
import tempfile

import harness
import pytest
import trees

FOLDERS, FILES, BYTES = 4, 50, 20000
SAMPLES = FOLDERS * FILES
SMALL = ['--batch', 4, '--step-ms', 10, '--steps', 10, '--epochs', 2, '--workers', 2, '--keep-caches']
COUNTED_SAMPLES = 4 * 10  # of an accelerator in an epoch of SMALL
READ_AHEAD = 4 * 2 * 2    # samples of the batches before those that count, and again behind them
GROUP_BYTES = 64 << 20


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, FOLDERS, FILES, BYTES)
    return tree


@pytest.fixture(name='group')
def make_memory_group(at_end):
    """What a process between fork and exec calls to come into a control group of GROUP_BYTES."""
    if not harness.is_root():
        pytest.skip('it takes root to limit memory')
    top, limit = pathlib.Path('/sys/fs/cgroup/memory'), 'memory.limit_in_bytes'
    if not (top / limit).exists():
        top, limit = top.parent, 'memory.max'
    group = top / f'quire-test-train-{os.getpid()}'
    try:
        if limit == 'memory.max':
            (top / 'cgroup.subtree_control').write_text('+memory')
        group.mkdir()
        at_end.callback(leave, group)
        (group / limit).write_text(str(GROUP_BYTES))
    except OSError as error:
        pytest.skip(f'no control group of memory can be made: {error}')
    return lambda: (group / 'cgroup.procs').write_text('0')


@pytest.fixture(name='slow_disk')
def make_slow_disk(scratch, at_end):
    """What a process between fork and exec calls, so that the disk of `scratch` gives it 10 MB/s."""
    if not harness.is_root():
        pytest.skip('it takes root to slow a disk down')
    top, limit = pathlib.Path('/sys/fs/cgroup/blkio'), 'blkio.throttle.read_bps_device'
    rate = '{} 10000000'
    if not (top / limit).exists():
        top, limit, rate = top.parent, 'io.max', '{} rbps=10000000'
    device = scratch.stat().st_dev
    group = top / f'quire-test-train-{os.getpid()}'
    try:
        if limit == 'io.max':
            (top / 'cgroup.subtree_control').write_text('+io')
        group.mkdir()
        at_end.callback(leave, group)
        (group / limit).write_text(rate.format(f'{os.major(device)}:{os.minor(device)}'))
    except OSError as error:
        pytest.skip(f'no control group of disks can be made: {error}')
    return lambda: (group / 'cgroup.procs').write_text('0')


def leave(group):
    """A process that has ended may take a moment to leave."""
    def is_gone():
        with contextlib.suppress(OSError):
            group.rmdir()
        return not group.exists()
    harness.until(10, is_gone, f'{group} stays')


def train(quire, *arguments, **how):
    """The document of a run."""
    return json.loads(quire('bench', 'train', *map(str, arguments), '--json', '-', **how).out)


def is_epoch(epoch, accelerators, sample_bytes):
    """Whether it read what it had to, and no more than it may."""
    least = accelerators * (READ_AHEAD + COUNTED_SAMPLES)
    return least <= epoch['samples'] <= least + accelerators * READ_AHEAD and epoch['bytes'] == epoch['samples'] * sample_bytes


def results(document, experiment):
    return [result for result in document['results'] if result['experiment'] == experiment]


def test_data_that_memory_may_hold_is_refused(quire, tree):
    quire('bench', 'train', tree, '--quick', status=1).says(
        f'{tree}: its 3.8 MiB are less than 5 times', 'larger data set', 'cgroup of at most', '--allow-cached')


def test_what_is_five_times_as_large_as_its_memory_is_measured_from_the_disk(quire, scratch, group):
    trees.make_samples(scratch / 'large', 10, 35, 1_000_000)  # 350 MB; of pages that are dropped, since the limit is soft to nobody
    os.sync()
    document = train(quire, scratch / 'large', '--batch', 2, '--step-ms', 20, '--steps', 100, '--epochs', 1,
                     '--accelerators', 1, '--workers', 2, preexec_fn=group)
    assert document['settings']['memory_bytes'] == GROUP_BYTES
    assert document['settings']['memory_limited_by'].startswith('cgroup ')
    [run] = results(document, 'run')
    assert run['from_memory_fraction'] < 0.4, run  # a fifth of it has room, beside the program
    # Nine tenths of what passes is left to say that the numbers were too small, and nothing else.
    assert 'it takes 5 epochs of 500 steps' in ' '.join(document['insights'])
    assert not results(document, 'verdict')[0]['is_verdict']


def test_the_job_that_was_asked_for_is_played(quire, tree):
    document = train(quire, tree, *SMALL, '--accelerators', 2, '--allow-cached')
    epochs = results(document, 'epoch')
    assert [epoch['epoch'] for epoch in epochs] == [1, 2]
    for epoch in epochs:
        assert is_epoch(epoch, 2, BYTES)
        assert epoch['steps'] == 10
        assert epoch['nominal_seconds'] == pytest.approx(0.1)
        assert 0 < epoch['au'] <= 1.01
        assert epoch['whole_au'] < epoch['au']
        lost = epoch['stall_seconds'] + epoch['barrier_seconds'] + epoch['overshoot_seconds']
        assert epoch['nominal_seconds'] + lost == pytest.approx(epoch['seconds'])
    [run] = results(document, 'run')
    assert run['au'] == pytest.approx(2 * 0.1 / sum(epoch['seconds'] for epoch in epochs))
    assert run['ceiling_samples_per_second'] > 0
    assert document['settings']['workload'] == 'own times'


def test_what_came_from_memory_is_said_in_the_headline(quire):
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        trees.make_samples(folder, 1, 20, 1000)
        document = train(quire, folder, *SMALL, '--accelerators', '1', '--allow-cached')
    assert '100.0 % of the bytes came from memory' in document['insights'][0]
    assert 'the storage lies in memory' in document['insights'][1]


def test_decoding_is_what_is_waited_for_where_it_takes_longer_than_a_step(quire, tree):
    document = train(quire, tree, *SMALL, '--accelerators', 1, '--allow-cached', '--decode-us', 20000)
    [run] = results(document, 'run')
    # Four samples of 20 ms, by two workers: 40 ms at best for a step of 10 ms.
    assert run['au'] < 0.4
    assert run['lost_to'] == 'processor'
    assert not run['passed']
    assert run['host_limited']


def test_a_search_tells_of_what_it_measured_and_of_no_more(quire, tree):
    document = train(quire, tree, *SMALL, '--allow-cached', '--most-accelerators', 3)
    [verdict] = results(document, 'verdict')
    passed = {run['accelerators']: run['passed'] for run in results(document, 'run')}
    assert verdict['is_search']
    assert verdict['accelerators'] == 0 or passed[verdict['accelerators']]
    if verdict['may_be_more']:
        assert verdict['accelerators'] == 3
        assert 'at least 3 accelerators' in document['insights'][0]
    else:
        assert not passed[verdict['accelerators'] + 1]


def test_a_search_finds_none_where_the_processor_decodes_all_the_time(quire, tree):
    document = train(quire, tree, *SMALL, '--allow-cached', '--decode-us', 20000)
    [verdict] = results(document, 'verdict')
    assert (verdict['accelerators'], verdict['may_be_more']) == (0, False)
    assert [trial['accelerators'] for trial in results(document, 'trial')] == [1]
    assert [run['accelerators'] for run in results(document, 'run')] == [1]
    assert 'feeds 0 accelerators' in document['insights'][0]


def test_records_of_shards_are_samples(quire, scratch):
    shards = scratch / 'shards'
    shards.mkdir()
    for number in range(6):
        (shards / f'{number}.tfrecord').write_bytes(trees.random_bytes(10 * 5000 + 123, number))
    (shards / 'index').write_bytes(b'too short for a record')
    document = train(quire, shards, *SMALL, '--record', '5000', '--accelerators', 1, '--allow-cached')
    for epoch in results(document, 'epoch'):
        assert is_epoch(epoch, 1, 5000)
        assert epoch['failures'] == 0
    quire('bench', 'train', shards, '--record', '1G', '--allow-cached', status=1).says('holds no file of at least one record')
    quire('bench', 'train', shards, '--record', 'many', status=2).says('--record many: is no size')
    quire('bench', 'train', shards / 'index', '--record', '5000', status=2).says('--record reads the files of a directory')


def test_two_folders_are_measured_in_turns(quire, tree, scratch):
    trees.make_samples(scratch / 'other', 2, 10, 3000)
    document = train(quire, tree, *SMALL, '--accelerators', 1, '--allow-cached', '--versus', scratch / 'other')
    sizes = {str(tree): BYTES, str(scratch / 'other'): 3000}
    assert [epoch['path'] for epoch in results(document, 'epoch')] == [str(tree)] * 2 + [str(scratch / 'other')] * 2
    assert all(is_epoch(epoch, 1, sizes[epoch['path']]) for epoch in results(document, 'epoch'))
    assert 'In turns' in document['insights'][0]


def test_a_mount_is_measured_like_any_folder(quire, tree, scratch, pack, mount):
    pack(tree, scratch / 'tree.quire')
    shown = mount(scratch / 'tree.quire')
    document = train(quire, shown.path, *SMALL, '--accelerators', 1, '--allow-cached')
    assert all(is_epoch(epoch, 1, BYTES) for epoch in results(document, 'epoch'))
    packed = train(quire, scratch / 'tree.quire', *SMALL, '--accelerators', 1, '--allow-cached')
    assert all(is_epoch(epoch, 1, BYTES) for epoch in results(packed, 'epoch'))


def test_a_mount_is_mounted_anew_before_each_run(quire, tree, scratch, pack, mount):
    pack(tree, scratch / 'tree.quire')
    shown = mount(scratch / 'tree.quire')
    again = f'{harness.QUIRE} umount {shown.path} && {harness.QUIRE} mount {scratch}/tree.quire {shown.path} && echo mounted >>{scratch}/mounted'
    document = train(quire, shown.path, *SMALL, '--allow-cached', '--most-accelerators', 2, '--remount', again)
    runs = results(document, 'trial') + results(document, 'run')
    assert len((scratch / 'mounted').read_text().split()) == 1 + len(runs)
    assert document['settings']['remount'] == again
    assert 'Before each run the storage was mounted anew' in ' '.join(document['insights'])
    assert all(run['daemon_cpu_seconds'] is not None for run in runs) or not harness.is_root()
    kept = train(quire, shown.path, *SMALL, '--allow-cached', '--accelerators', 1)
    assert 'kept its memory, which --remount empties' in ' '.join(kept['insights'])
    quire('bench', 'train', shown.path, '--allow-cached', '--remount', 'exit 32', status=1).says("'exit 32' ended with status 32")


def test_a_daemon_that_decodes_is_what_is_waited_for(quire, scratch, pack, mount):
    # Of many short matches, which take long to decode, and nothing of it is kept.
    (scratch / 'text').mkdir()
    chance = random.Random(1)
    words = [chance.randbytes(2).hex() for _ in range(500)]
    for number in range(100):
        (scratch / 'text' / f'{number:03}.txt').write_text(' '.join(chance.choices(words, k=100_000)))
    pack(scratch / 'text', scratch / 'text.quire', '--compress', 'zstd')
    shown = mount(scratch / 'text.quire', 'direct_io', 'push=off', 'cache_size=8M')
    def lost_to():
        document = train(quire, shown.path, '--batch', 4, '--step-ms', 1, '--steps', 50, '--epochs', 1, '--accelerators', 1,
                         '--workers', 4, '--allow-cached')
        return results(document, 'run')[0]['lost_to']
    # Where other programs have the cores it is the processor.
    harness.until(120, lambda: lost_to() == 'daemon', 'the time is not lost to the daemon')


def test_a_disk_that_is_slow_is_what_is_waited_for(quire, scratch, slow_disk):
    trees.make_samples(scratch / 'large', 6, 100, 100_000)  # three times what an epoch reads
    os.sync()
    document = train(quire, scratch / 'large', '--batch', 4, '--step-ms', 10, '--steps', 40, '--epochs', 1, '--accelerators', 1,
                     '--workers', 2, '--allow-cached', preexec_fn=slow_disk)
    [run] = results(document, 'run')
    assert run['lost_to'] == 'storage', run


def test_a_daemon_of_another_control_group_has_the_memory_of_the_machine(quire, scratch, pack, mount, group):
    trees.make_samples(scratch / 'large', 10, 35, 1_000_000)
    pack(scratch / 'large', scratch / 'large.quire')
    shown = mount(scratch / 'large.quire')
    quire('bench', 'train', shown.path, '--quick', preexec_fn=group, status=1).says('less than 5 times', 'this machine')


def test_samples_that_cannot_be_read_are_counted_and_fail_the_run(quire, tree, scratch, pack, mount):
    pack(tree, scratch / 'tree.quire')
    packed = (scratch / 'tree.quire').read_bytes()
    for number in range(20):  # of 200 samples, 192 at least of which are read in two epochs
        harness.flip(scratch / 'tree.quire', packed.index((tree / f'000/{number:05}.bin').read_bytes()))
    shown = mount(scratch / 'tree.quire')
    done = quire('bench', 'train', shown.path, *map(str, SMALL), '--accelerators', '2', '--allow-cached',
                 '--json', '-', status=1)
    document = json.loads(done.out)
    assert results(document, 'run')[0]['failures'] >= 1
    assert not results(document, 'run')[0]['passed']
    assert '000/000' in ' '.join(document['insights'])


def test_the_page_has_charts_and_the_text_its_tables(quire, tree, scratch):
    done = quire('bench', 'train', tree, *map(str, SMALL), '--accelerators', '1', '--allow-cached', '--report', scratch / 'page.html')
    done.says('accelerators +AU', 'epochs with 1', 'That is no verdict')
    page = (scratch / 'page.html').read_text()
    assert page.count('<svg') == 2
    assert 'AU of each epoch' in page


def test_an_interrupt_ends_it_with_all_workers(tree, at_end):
    process = harness.start(at_end, harness.QUIRE, 'bench', 'train', tree, '--batch', '4', '--step-ms', '30000', '--accelerators', '3',
                            '--allow-cached')
    children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
    harness.until(30, lambda: len(children.read_text().split()) == 24, 'there are no workers')
    workers = children.read_text().split()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == -signal.SIGINT
    harness.until(10, lambda: not any(os.path.exists(f'/proc/{worker}') for worker in workers), 'workers are left')


@pytest.mark.parametrize('words, said', [
    (['--accelerators', '200'], 'at most 1024 workers in all'),
    (['--step-ms', '60001'], '--step-ms 60001: at most 60000'),
    (['--workload', 'bert'], 'bert'),
    (['--steps', '1'], '--steps'),
])
def test_what_makes_no_sense_is_refused(quire, tree, words, said):
    quire('bench', 'train', tree, *words, status=2).says(said)


def test_a_folder_without_samples_says_so(quire, scratch):
    (scratch / 'empty').mkdir()
    quire('bench', 'train', scratch / 'empty', '--quick', status=1).says('holds no regular file')
    quire('bench', 'train', scratch / 'absent', '--quick', status=1).says('absent: No such file|not there|absent')
