#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: what the Python package tells a mount is followed: whole epochs, several of them, by several processes, from the middle on; and a
quasi-random order reads the pack about once where a full shuffle of the same memory reads it many times."""
import array
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings

import harness
import pytest
import quire
import samplers
import scenario
import trees
from quire import notices, places, plans
from quire.torch import PlanSampler, QuasiRandomSampler

FOLDERS, FILES = 10, 100
SAMPLES = FOLDERS * FILES
SAMPLE_BYTES = 20000
PACKAGE = harness.REPOSITORY / 'packaging/python'


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, FOLDERS, FILES, SAMPLE_BYTES)
    (tree / 'odd').mkdir()
    (tree / 'odd/a\nb').write_text('a newline')
    (tree / 'odd/empty').touch()
    pathlib.Path(os.fsdecode(os.fsencode(tree / 'odd') + b'/\xff')).write_text('no UTF-8')
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='shown')
def mount_listed(tree, mount):
    return mount_and_list(mount, tree)


def mount_and_list(mount, tree, *options):
    """So that the kernel knows its inodes."""
    shown = mount(tree.with_suffix('.quire'), *options)
    harness.run('ls', '-lR', shown.path)
    return shown


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(notices, '_given', set())


class Dataset:
    """As an ImageFolder: below a folder of the mount, with classes."""

    def __init__(self, top):
        names = [name for name in scenario.sample_names(top) if name.endswith('.bin')]
        self.samples = [(os.path.join(top, name), int(name.split('/')[-2])) for name in names]

    def __len__(self):
        return len(self.samples)

    def read(self, index):
        return pathlib.Path(self.samples[index][0]).read_bytes()


def await_told(shown, told, unknown=0):
    def is_told():
        plan = shown.stats()['plan']
        return (plan['told'], plan['unknown']) == (told, unknown)
    harness.until(10, is_told, lambda: f'told {told}, unknown {unknown}: {shown.stats()["plan"]}')


def assert_followed(shown, samples):
    """All samples that were told were gone through ahead of their readers, or just read."""
    plan = shown.stats()['plan']
    assert (plan['unexpected_reads'], plan['forgotten_plans'], plan['left']) == (0, 0, 0), plan
    assert plan['prefetched'] + plan['overtaken'] == samples and plan['prefetched'] > 0, plan


def test_order_is_told_and_followed(tree, mount):
    shown = mount_and_list(mount, tree, 'push=off')
    names = [name for name in scenario.sample_names(tree) if name.endswith('.bin')]
    random.Random(1).shuffle(names)
    assert quire.plan(shown.path, names) == SAMPLES
    await_told(shown, SAMPLES)
    for name in names:
        assert (shown / name).read_bytes() == (tree / name).read_bytes()
    assert_followed(shown, SAMPLES)


def test_every_form_of_path(shown, monkeypatch, scratch):
    told = 0
    link, inner = scratch / 'link', scratch / 'inner'
    link.symlink_to(shown.path)
    inner.symlink_to(shown.path / '000')
    odd = os.fsdecode(b'odd/\xff')
    for where, paths in ((shown.path, ['000/00000.bin', b'001/00001.bin', pathlib.Path('002/00002.bin'), 'odd/a\nb', odd]),
                         (str(shown.path) + '/', [str(shown / '000/00000.bin'), shown / '001' / '00001.bin', f'{shown.path}//001/../002/00002.bin']),
                         (shown / '003', ['00000.bin', './00001.bin', '../004/00000.bin', shown / '005/00001.bin']),
                         (shown / '003/00000.bin', ['00001.bin']),
                         (link, ['000/00000.bin', link / '001/00001.bin', shown / '001/00002.bin']),
                         (link / '003', ['00000.bin']),
                         (inner, ['00000.bin', inner / '00001.bin', shown / '001/00002.bin']),
                         (os.fsencode(shown.path), [os.fsencode(shown / '000/00000.bin')])):
        assert quire.plan(where, paths) == len(paths)
        told += len(paths)
        await_told(shown, told)
    monkeypatch.chdir(shown / '001')
    assert quire.plan('.', ['00001.bin']) == 1
    await_told(shown, told + 1)
    os.chdir('/')
    # What names no sample is counted by the mount, but for empty names, and nothing else happens.
    assert quire.plan(shown.path, ['no/such', '', '/etc/passwd', '000']) == 4
    await_told(shown, told + 1, 3)


def test_no_mount(tree, shown, scratch):
    assert quire.find_mount(tree) is None and quire.find_mount('/no/such') is None
    assert quire.find_mount(shown / '001/00000.bin').root == str(shown.path)
    for where in (tree, '/no/such', scratch):
        with pytest.raises(quire.Error, match='no mount of Quire'):
            quire.plan(where, ['x'])
    with pytest.raises(quire.Error, match='longer than'):
        quire.plan(shown.path, ['x' * 5000])
    with quire.Plan(shown.path) as plan:
        pass
    with pytest.raises(quire.Error, match='closed'):
        plan.append(['x'])


def test_daemon_that_is_gone(tree, mount):
    shown = mount_and_list(mount, tree)
    with quire.Plan(shown.path) as plan:
        found = quire.find_mount(shown.path)
        harness.run('kill', '-9', str(shown.daemon()))
        harness.until(10, lambda: not harness.find_processes(f'quire mount .*{shown.path}'), 'the daemon lives')
        with pytest.raises(quire.Error, match='plan'):
            for _ in range(1000):  # the pipe holds some
                plan.append(['000/00000.bin'] * 1000)
    with pytest.warns(RuntimeWarning, match='without a plan'):
        teller = plans.Teller(found)
        teller.append(['000/00000.bin'])
        teller.close()
        assert teller.join(10)


def test_several_epochs_in_one_plan(tree, mount):
    """Each read comes to the mount, as where the data is larger than the kernel's memory."""
    shown = mount_and_list(mount, tree, 'push=off', 'direct_io')
    dataset = Dataset(shown.path)
    epochs = [random.Random(seed).sample(range(SAMPLES), SAMPLES) for seed in range(3)]
    with quire.Plan(shown.path) as plan:
        for number, epoch in enumerate(epochs):
            plan.append(dataset.samples[index][0] for index in epoch)
            await_told(shown, (number + 1) * SAMPLES)
            for index in epoch:
                assert len(dataset.read(index)) == SAMPLE_BYTES
    assert_followed(shown, 3 * SAMPLES)


def test_resuming_in_the_middle(tree, mount):
    shown = mount_and_list(mount, tree, 'push=off')
    names = [name for name in scenario.sample_names(tree) if name.endswith('.bin')]
    random.Random(2).shuffle(names)
    assert quire.plan(shown.path, names, start=600) == SAMPLES - 600
    await_told(shown, SAMPLES - 600)
    for name in names[600:]:
        (shown / name).read_bytes()
    assert_followed(shown, SAMPLES - 600)


def test_names_stay_whole_where_several_write(shown):
    # What one write takes stays in one piece: PIPE_BUF bytes.
    chance = random.Random(1)
    text = b''.join(chance.randbytes(chance.choice((1, 20, 300, 4095))).replace(b'\0', b'x') + b'\0' for _ in range(2000))
    pieces = list(plans._cut(text))  # pylint: disable=protected-access
    assert b''.join(pieces) == text and all(len(piece) <= 4096 and piece.endswith(b'\0') for piece in pieces)
    names = [name for name in scenario.sample_names(shown.path) if name.endswith('.bin')]
    program = f'import sys; sys.path.insert(0, {str(PACKAGE)!r}); import quire; quire.plan(sys.argv[1], sys.argv[2:] * 5)'
    writers = [subprocess.Popen(['/usr/bin/python3', '-B', '-c', program, shown.folder, *names]) for _ in range(4)]
    threads = [threading.Thread(target=quire.plan, args=(shown.path, names * 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert [writer.wait(60) for writer in writers] == [0] * 4
    for thread in threads:
        thread.join()
    await_told(shown, 8 * 5 * SAMPLES)


def test_forked_workers_do_not_keep_a_plan_open(tree, mount):
    """As those of a DataLoader, which live longer than an epoch: the mount can be taken away."""
    shown = mount_and_list(mount, tree)
    reader, writer = os.pipe()
    ready, is_ready = os.pipe()
    with quire.Plan(shown.path) as plan:
        plan.append(['000/00000.bin'])
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.close(is_ready)
            os.read(reader, 1)  # until the parent closes its end
            os._exit(0)  # pylint: disable=protected-access
    os.close(is_ready)
    assert os.read(ready, 1) == b''  # the child runs
    os.close(ready)
    pipes = [os.readlink(f'/proc/{child}/fd/{number}') for number in os.listdir(f'/proc/{child}/fd')]
    assert not [name for name in pipes if name.endswith('.quire/plan')], pipes
    await_told(shown, 1)
    shown.unmount()
    os.close(writer)
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0


def read_epoch(dataset, sampler, tree):
    read = []
    for index in sampler:
        assert dataset.read(index) == (tree / os.path.relpath(dataset.samples[index][0], dataset.top)).read_bytes()
        read.append(index)
    return read


@pytest.mark.parametrize('below', ['', 'relative'])
def test_plan_sampler(tree, mount, monkeypatch, below):
    shown = mount_and_list(mount, tree, 'push=off')
    if below:
        monkeypatch.chdir(shown.path.parent)
    dataset = Dataset(shown.path.name if below else shown.folder)
    dataset.top = os.path.commonpath([path for path, _ in dataset.samples])
    sampler, plain = PlanSampler(samplers.Shuffled(dataset, 4)), samplers.Shuffled(dataset, 4)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for epoch in range(3):
            order = iter(sampler)
            first = next(order)
            await_told(shown, (epoch + 1) * SAMPLES)
            assert [first, *read_epoch(dataset, order, tree)] == list(plain)
    plan = shown.stats()['plan']
    assert plan['forgotten_plans'] == 0 and plan['prefetched'] > SAMPLES, plan
    # In the middle of an epoch, and an epoch that nobody goes on with.
    sampler.set_epoch(3, start=700)
    assert len(list(sampler)) == 300
    await_told(shown, 3 * SAMPLES + 300)
    for _ in sampler:
        break
    assert len(list(sampler)) == SAMPLES
    harness.until(10, lambda: shown.stats()['plan']['told'] >= 4 * SAMPLES + 300, lambda: shown.stats()['plan'])
    os.chdir('/')
    shown.unmount()


def test_long_samplers_are_told_as_they_go(shown, monkeypatch):
    """Also those that never end."""
    monkeypatch.setattr('quire.torch._AHEAD', 100)
    dataset = Dataset(shown.folder)

    class Endless:
        data_source = dataset

        def __iter__(self):
            while True:
                yield random.randrange(SAMPLES)

    class Batches:
        sampler = Endless()

        def __iter__(self):
            items = iter(self.sampler)
            while True:
                yield [next(items) for _ in range(10)]

    told = 0
    for endless, items in ((Endless(), 1000), (Batches(), 100)):
        order = iter(PlanSampler(endless))
        for _ in range(items):
            next(order)
        harness.until(10, lambda told=told: shown.stats()['plan']['told'] >= told + 1000, lambda: shown.stats()['plan'])
        time.sleep(0.2)
        assert told + 1000 <= shown.stats()['plan']['told'] <= told + 1110
        told = shown.stats()['plan']['told']
        order.close()


def test_epochs_are_told_one_after_the_other(shown):
    """Also where nobody waits for the end of one: its last names are before the first of the next."""
    written = []

    class Slow(plans.Plan):
        def _write(self, piece):
            time.sleep(0.001)
            written.append(piece)
            super()._write(piece)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, 'Plan', Slow)
        teller, mount = None, quire.find_mount(shown.path)
        for epoch in range(4):
            teller = plans.Teller(mount, before=teller)
            teller.append([f'{epoch:03}/00000.bin'] * 100000)
            time.sleep(0.05)
        teller.close()
        assert teller.join(60)
    order = [int(piece[:3]) for piece in written]
    assert order == sorted(order) and order.count(3) > order.count(0) > 0


def test_paths_that_are_none(shown):
    """A dataset whose indices are no indices of its paths loses the plan, and nothing else."""
    with pytest.warns(RuntimeWarning, match='without a plan'):
        sampler = PlanSampler([0, 1, 'key'], paths=[shown / '000/00000.bin'] * 2)
        assert list(sampler) == [0, 1, 'key']
        assert sampler._teller.join(10)  # pylint: disable=protected-access


def test_one_rank_of_a_node_tells_for_all(tree, mount, monkeypatch):
    shown = mount_and_list(mount, tree, 'push=off')
    dataset = Dataset(shown.folder)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    for epoch in range(2):
        samplers = []
        for rank in (2, 3):  # the second node of two
            monkeypatch.setenv('LOCAL_RANK', str(rank - 2))
            samplers.append(PlanSampler(QuasiRandomSampler(dataset, window=3, num_replicas=4, rank=rank)))
            samplers[-1].set_epoch(epoch)
        orders = []
        for rank, sampler in zip((2, 3), samplers):
            monkeypatch.setenv('LOCAL_RANK', str(rank - 2))
            order = iter(sampler)
            orders.append([next(order), *order])
        await_told(shown, (epoch + 1) * SAMPLES // 2)
        for turn in zip(*orders):
            for index in turn:
                dataset.read(index)
    plan = shown.stats()['plan']
    assert (plan['unexpected_reads'], plan['forgotten_plans']) == (0, 0), plan
    # Where nobody says which ranks are on this node, each tells its own.
    monkeypatch.delenv('LOCAL_RANK')
    for rank in range(2):
        list(PlanSampler(QuasiRandomSampler(dataset, num_replicas=2, rank=rank)))
    await_told(shown, 2 * SAMPLES)
    list(PlanSampler(QuasiRandomSampler(dataset, num_replicas=2, rank=1), local_ranks=[0, 1]))
    time.sleep(0.3)
    assert shown.stats()['plan']['told'] == 2 * SAMPLES


def test_pages_of_samples(tree, shown):
    """By the mount, by the pack that is read without one, and by where the bytes are."""
    names = [name for name in scenario.sample_names(tree) if name.endswith('.bin')]
    paths = [str(shown / name) for name in names]
    opened = quire.open(tree.with_suffix('.quire'))
    pages = array.array('Q', [opened.place(name)[1] for name in names])
    for ways in (places._by_mount, places._by_index, quire.sample_pages):  # pylint: disable=protected-access
        begin = time.monotonic()
        assert ways(paths) == pages
        print(f'pages of {SAMPLES} samples by {ways.__name__} in {time.monotonic() - begin:.4f} s', file=sys.stderr)
    found = {sample.name: sample.page for sample in scenario.place_samples(tree, tree.with_suffix('.quire'), names)}
    assert len(found) > SAMPLES // 2
    assert all(found.get(name, page) == page for name, page in zip(names, pages))
    assert quire.sample_pages([shown / '000/00000.bin', shown / 'odd/empty'])[0] == pages[0]
    with pytest.raises(quire.Error, match='no mount'):
        quire.sample_pages([tree / names[0]])


def test_pages_of_every_kind_of_sample(scratch, mount):
    """Large, sparse, cut, linked and empty ones; below subdir= as well; and where the pack that has the name by now is another."""
    tree = scratch / 'tree'
    trees.make_samples(tree / 'in', 2, 30, 90000)
    (tree / 'in/large').write_bytes(trees.random_bytes(7 << 20, 3))
    trees.make_sparse(tree / 'in/sparse', 9 << 20, (5 << 20,))
    trees.make_sparse(tree / 'in/hole', 1 << 20, ())
    os.link(tree / 'in/000/00007.bin', tree / 'in/hard')
    (tree / 'in/empty').touch()
    harness.pack(tree, scratch / 'tree.quire', '--order', 'shuffle:3')
    shown = mount(scratch / 'tree.quire', 'subdir=in')
    paths = [str(shown / name) for name in scenario.sample_names(tree / 'in')]
    by_mount = places._by_mount(paths)  # pylint: disable=protected-access
    assert len(set(by_mount)) > 4 and by_mount == places._by_index(paths) == quire.sample_pages(paths)  # pylint: disable=protected-access
    (tree / 'in/000/00000.bin').write_bytes(trees.random_bytes(3 << 20, 4))
    harness.pack(tree, scratch / 'other.quire')
    os.rename(scratch / 'other.quire', scratch / 'tree.quire')
    assert places._by_index(paths) is None and quire.sample_pages(paths) == by_mount  # pylint: disable=protected-access


def test_other_users_find_pages_but_tell_no_plan(tree, mount, ordinary_user):
    """The plan is for the user who mounted; where samples lie is not."""
    if not harness.is_root():
        pytest.skip('only root has other users')
    shown = mount(tree.with_suffix('.quire'), 'allow_other')
    shutil.copytree(PACKAGE, ordinary_user.home / 'package')  # the checkout may be closed to others
    program = f'''
import glob, sys, warnings
sys.path.insert(0, {str(ordinary_user.home / 'package')!r})
from quire.torch import PlanSampler, QuasiRandomSampler
paths = sorted(glob.glob(sys.argv[1] + '/0*/*.bin'))
quasi = QuasiRandomSampler(paths=paths, window=2)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    assert sorted(PlanSampler(quasi)) == list(range(len(paths)))
print(len(quasi._groups), *[warning.message for warning in said])
'''
    said = ordinary_user.run('/usr/bin/python3', '-B', '-c', program, shown.folder).out
    assert said.startswith('10 ') and 'for another user: no plan is told' in said, said


def test_pages_of_archives(scratch, mount):
    """Pages of different volumes are different ones."""
    for shard in range(2):
        trees.make_samples(scratch / f'shard{shard}', 1, 30, 200000)
        harness.run('tar', '-C', scratch / f'shard{shard}', '--transform', f's,^000,{shard},', '-cf', scratch / f'shard{shard}.tar', '000')
    shown = mount(f'{scratch}/shard{{0..1}}.tar')
    paths = [str(shown / name) for name in scenario.sample_names(shown.path)]
    pages = quire.sample_pages(paths)
    assert len(paths) == 60 and len(set(pages)) == 2 * len({page & 0xffffffff for page in pages}) > 4


def pack_reads(shown, order, dataset):
    """How many times the pack an epoch reads of the disk."""
    before = shown.counters()
    for index in order:
        dataset.read(index)
    after = shown.counters()
    return (after['volume_bytes'] - before['volume_bytes']) / (SAMPLES * SAMPLE_BYTES)


def test_quasi_random_order_reads_the_pack_once(tree, mount):
    """With memory for six pages of ten; nothing is kept by the kernel or told by a plan."""
    shown = mount_and_list(mount, tree, 'direct_io', 'cache_size=12M', 'admit=page', 'readahead=off')
    dataset = Dataset(shown.folder)
    orders = {'quasi-random': QuasiRandomSampler(dataset, window=3), 'shuffled': samplers.Shuffled(dataset)}
    times = {name: pack_reads(shown, order, dataset) for name, order in orders.items()}
    planned = {name: pack_reads(shown, PlanSampler(order), dataset) for name, order in orders.items()}
    print(f'times that the pack was read: {times}, with plans {planned}', file=sys.stderr)
    assert 0.9 < times['quasi-random'] < 1.4 and times['shuffled'] > 10
    assert planned['quasi-random'] < 1.4 and planned['shuffled'] < times['shuffled']


def test_million_names(shown, tally):
    """Told within seconds, most of which are the daemon's."""
    names = [os.path.join(shown.folder, name) for name in scenario.sample_names(shown.path) if name.endswith('.bin')] * (1_000_000 // SAMPLES)
    begin = time.monotonic()
    with open(os.devnull, 'wb') as nowhere:
        mount = quire.find_mount(shown.path)
        prepared = mount.names(names)
        for piece in plans._cut(('\0'.join(prepared) + '\0').encode()):  # pylint: disable=protected-access
            nowhere.write(piece)
    print(f'{len(names)} names prepared in {time.monotonic() - begin:.2f} s', file=sys.stderr)
    begin = time.monotonic()
    assert quire.plan(shown.path, names) == len(names)
    print(f'and told in {time.monotonic() - begin:.2f} s', file=sys.stderr)
    await_told(shown, len(names))
    tally(len(names), 'names told by quire.plan()')
