#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: the samplers of the Python package give every sample exactly once an epoch over all ranks, the same for the same seed, in an order
that is as random as README.md says and opens no more pages than it promises. Without torch, and without a mount."""
import collections
import itertools
import pickle
import random
import statistics
import warnings

import pytest
import quire
import quire.torch
import samplers
from quire import datasets, notices, shuffling
from quire.mounts import Mount
from quire.torch import PlanSampler, QuasiRandomSampler


class Dataset:
    """As an ImageFolder."""

    def __init__(self, count, top='/nowhere'):
        self.samples = [(f'{top}/{number % 7}/{number:06}.jpg', number % 7) for number in range(count)]

    def __len__(self):
        return len(self.samples)


def draw_pages(samples, chance, most=40):
    """For each sample its page: pages have different numbers of samples."""
    pages = []
    while len(pages) < samples:
        pages += [len(pages)] * chance.randint(1, most)
    return pages[:samples]


def ranks_of(world, **how):
    return [QuasiRandomSampler(num_replicas=world, rank=rank, **how) for rank in range(world)]


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(notices, '_given', set())


@pytest.mark.parametrize('samples', [0, 1, 5, 100, 1000, 1003])
@pytest.mark.parametrize('world', [1, 2, 3, 8])
@pytest.mark.parametrize('drop_last', [False, True])
def test_every_sample_once_over_all_ranks(samples, world, drop_last):
    """What the tests of torch's DistributedSampler ask of it: lengths, no overlap, padding of at most one share, nothing twice else."""
    pages = draw_pages(samples, random.Random(samples))
    for epoch in range(3):
        samplers = ranks_of(world, pages=pages, window=4, seed=9, drop_last=drop_last)
        for sampler in samplers:
            sampler.set_epoch(epoch)
        orders = [list(sampler) for sampler in samplers]
        each = samples // world if drop_last else -(-samples // world)
        assert [len(order) for order in orders] == [each] * world == [len(sampler) for sampler in samplers]
        counts = collections.Counter(itertools.chain(*orders))
        if drop_last:
            assert max(counts.values(), default=1) == 1 and samples - len(counts) < world
        else:
            assert sorted(counts) == list(range(samples))
            # The first ones again, as often as it takes.
            assert sum(counts.values()) - samples == each * world - samples
            assert max(counts.values(), default=0) <= -(-each * world // max(samples, 1))


def test_deterministic_by_seed_and_epoch():
    pages = draw_pages(2000, random.Random(1))

    def order(seed=1, epoch=0, rank=0, window=8):
        sampler = QuasiRandomSampler(pages=pages, window=window, seed=seed, num_replicas=2, rank=rank)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order() == order() == list(pickle.loads(pickle.dumps(QuasiRandomSampler(pages=pages, window=8, seed=1, num_replicas=2, rank=0))))
    others = [order(), order(seed=2), order(epoch=1), order(rank=1), order(window=9), order(seed=-1), order(epoch=10)]
    assert len(set(map(tuple, others))) == len(others)
    # The same on every machine and with every Python: the first and last of an order, as they were when this was written.
    assert KNOWN == [*order()[:4], *order()[-4:]]


KNOWN = [539, 536, 527, 537, 782, 788, 1983, 1973]


def test_iterating_again_is_the_same_epoch():
    sampler = QuasiRandomSampler(pages=draw_pages(300, random.Random(1)))
    assert list(sampler) == list(sampler)


@pytest.mark.parametrize('window', [1, 2, 7, 64])
@pytest.mark.parametrize('world', [1, 3])
def test_no_more_pages_are_open_than_the_window(window, world):
    pages = draw_pages(5000, random.Random(2))
    most_of_all = 0
    for sampler in ranks_of(world, pages=pages, window=window):
        order = list(sampler)
        # Where padding begins the row again, a page may come a second time: not here.
        assert len(set(order)) == len(order) or world > 1
        first, last = {}, {}
        for at, sample in enumerate(order):
            first.setdefault(pages[sample], at)
            last[pages[sample]] = at
        opened = [0] * (len(order) + 1)
        for page in first:  # pylint: disable=consider-using-dict-items
            opened[first[page]] += 1
            opened[last[page] + 1] -= 1
        most = max(itertools.accumulate(opened))
        assert most <= window + (world > 1)
        most_of_all = max(most_of_all, most)
    assert most_of_all >= min(window, 3) - 1


def test_ranks_read_different_pages():
    """But for those at the borders of their shares."""
    pages = draw_pages(5000, random.Random(2))
    met = [{pages[sample] for sample in sampler} for sampler in ranks_of(4, pages=pages, window=8)]
    for left, right in itertools.combinations(met, 2):
        assert len(left & right) <= 1


def correlation(left, right):
    return statistics.correlation(left, right)


def test_as_random_as_the_document_says():
    """Classes lie one after the other in the pack, as `quire pack` packs an ImageFolder, and are mixed in each batch."""
    samples, classes, batch = 50_000, 100, 256
    pages = [number // 19 for number in range(samples)]  # of 110 KB
    labels = [number * classes // samples for number in range(samples)]
    sampler = QuasiRandomSampler(pages=pages, window=256)
    order = list(sampler)
    assert abs(correlation(range(samples), order)) < 0.05
    batches = [order[at:at + batch] for at in range(0, samples - batch, batch)]
    full = list(range(samples))
    random.Random(3).shuffle(full)

    def distinct(whole):
        return statistics.mean(len({labels[sample] for sample in whole[at:at + batch]}) for at in range(0, samples - batch, batch))

    assert distinct(order) > 0.9 * distinct(full), (distinct(order), distinct(full))
    assert distinct(range(samples)) < 3, 'the measure cannot tell'
    # The same neighbours do not come together again.
    sampler.set_epoch(1)
    again = {sample: at // batch for at, sample in enumerate(sampler)}
    together = statistics.mean(again[left] == again[right] for part in batches for left, right in zip(part, part[1:]))
    assert together < 0.05


def test_resuming_in_the_middle():
    pages = draw_pages(1000, random.Random(4))
    sampler = QuasiRandomSampler(pages=pages, window=5)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        whole = list(sampler)
        sampler.set_epoch(epoch, start=300)
        assert len(sampler) == 700 and list(sampler) == whole[300:]
        assert len(sampler) == 1000 and list(sampler) == whole, 'the next epoch is whole'
    with pytest.raises(ValueError):
        sampler.set_epoch(0, start=1001)


@pytest.mark.parametrize('how', [{'num_replicas': 0}, {'num_replicas': 2, 'rank': 2}, {'num_replicas': 2, 'rank': -1}, {'window': 0}])
def test_wrong_arguments(how):
    with pytest.raises(ValueError):
        QuasiRandomSampler(pages=[0, 1], **how)


def test_without_a_mount_nothing_changes_but_one_warning():
    dataset = Dataset(500)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        for _ in range(3):
            sampler = PlanSampler(samplers.Shuffled(dataset, 5))
            plain = samplers.Shuffled(dataset, 5)
            assert len(sampler) == 500
            assert [list(sampler) for _ in range(2)] == [list(plain) for _ in range(2)]
    assert [str(warning.message) for warning in said] == [
        'quire: the samples lie in no mount of Quire, or in one whose control files are for another user: no plan is told']
    with pytest.warns(RuntimeWarning, match='all samples are shuffled'):
        sampler = QuasiRandomSampler(dataset)
    assert sorted(sampler) == list(range(500))


def test_whatever_the_sampler_knows_is_still_there():
    """Other libraries look at a sampler's attributes."""
    with pytest.warns(RuntimeWarning):
        sampler = PlanSampler(QuasiRandomSampler(Dataset(20), seed=4, num_replicas=2, rank=1))
    assert (sampler.seed, sampler.rank, sampler.num_replicas, sampler.num_samples) == (4, 1, 2, 10)
    assert not hasattr(sampler, 'no_such')
    sampler.set_epoch(3)
    assert sampler.epoch == 3
    assert list(pickle.loads(pickle.dumps(sampler))) == list(sampler)
    sampler.set_epoch(3, start=4)
    assert len(sampler) == 6 and len(list(sampler)) == 6 and len(list(sampler)) == 10
    with pytest.raises(ValueError):
        sampler.set_epoch(3, start=-1)


def test_batch_samplers():
    class Batches:
        def __init__(self, sampler):
            self.sampler = sampler

        def __len__(self):
            return -(-len(self.sampler) // 8)

        def __iter__(self):
            items = iter(self.sampler)
            while batch := list(itertools.islice(items, 8)):
                yield batch

    with pytest.warns(RuntimeWarning):
        sampler = PlanSampler(Batches(samplers.Shuffled(Dataset(30))))
    assert [len(batch) for batch in sampler] == [8, 8, 8, 6] and len(sampler) == 4
    inner = QuasiRandomSampler(pages=range(30))
    PlanSampler(Batches(inner), paths=['/nowhere'] * 30).set_epoch(5)
    assert inner.epoch == 5


def test_one_rank_tells_what_all_of_its_node_read_in_turns(monkeypatch):
    told = []

    class Recorder:
        def __init__(self, *_, **__):
            pass

        def append(self, paths):
            told.extend(paths)

        def close(self):
            pass

    monkeypatch.setattr(quire.torch, 'Teller', Recorder)
    monkeypatch.setattr(quire.torch, 'find_mount', lambda _: Mount('/nowhere', '/'))
    paths = [f'/nowhere/{number}' for number in range(100)]
    how = {'paths': paths, 'pages': [number // 5 for number in range(100)], 'num_replicas': 5, 'window': 3}
    node = [1, 2, 4]
    samplers = {rank: PlanSampler(QuasiRandomSampler(rank=rank, **how), local_ranks=node) for rank in range(5)}
    for sampler in samplers.values():
        sampler.set_epoch(2, start=3)
    orders = {rank: list(sampler) for rank, sampler in samplers.items() if rank in node}
    assert told == [paths[orders[rank][turn]] for turn in range(17) for rank in node]
    # One that is not of this node tells its own.
    told.clear()
    assert [paths[index] for index in samplers[0]] == told


def test_paths_of_datasets():
    class Wrapped:
        def __init__(self, **attributes):
            self.__dict__.update(attributes)

        def __len__(self):
            return 3

    paths = ['a', b'b', 'c']
    assert datasets.sample_paths(paths) == paths
    for name in ('samples', 'imgs', 'paths', 'files', 'image_paths'):
        assert datasets.sample_paths(Wrapped(**{name: paths})) == paths
        assert datasets.sample_paths(Wrapped(**{name: [(path, 1) for path in paths]})) == paths
    base = Wrapped(paths=paths)
    assert datasets.sample_paths(Wrapped(dataset=base, indices=[2, 0])) == ['c', 'a']
    assert datasets.sample_paths(Wrapped(datasets=[base, Wrapped(dataset=base, indices=[1])])) == paths + [b'b']
    assert datasets.sample_paths(Wrapped(dataset=base)) == paths
    with pytest.raises(quire.Error, match='give paths='):
        datasets.sample_paths(Wrapped(dataset=['a', 'b']))  # a wrapper that has others
    for strange in (Wrapped(), Wrapped(paths=[1, 2, 3]), Wrapped(paths=['a']), Wrapped(paths='abc')):
        with pytest.raises(quire.Error, match='give paths='):
            datasets.sample_paths(strange)
    with pytest.raises(quire.Error, match=r'paths\[1\] is 7'):
        datasets.sample_paths(Wrapped(paths=['a', 7, 'c']))
    with pytest.raises(quire.Error, match='does not know the dataset'):
        PlanSampler([1, 2, 3])


def test_shares_begin_again_behind_the_end():
    row = [[1, 2, 3], [4], [5, 6]]
    assert shuffling.take_share(row, 0, 6) == row
    assert shuffling.take_share(row, 2, 3) == [[3], [4], [5]]
    assert shuffling.take_share(row, 5, 3) == [[6], [1, 2]]
    assert shuffling.take_share(row, 4, 14) == [[5, 6], *row, *row]
    assert shuffling.take_share(row, 8, 1) == [[3]]
    assert not shuffling.take_share(row, 3, 0) and not shuffling.take_share([], 0, 0)
