# SPDX-License-Identifier: Apache-2.0
"""Samplers for PyTorch's DataLoader: one that tells a mount what will be read, and one whose shuffle keeps the disk sequential.

torch itself is needed by neither: without it they are plain iterables, for any loader that takes indices."""
from __future__ import annotations

import copy
import itertools
import os
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from quire import notices, shuffling
from quire.datasets import sample_paths
from quire.errors import Error
from quire.mounts import Mount, Path, find_mount
from quire.places import sample_pages
from quire.plans import Teller

try:
    from torch import distributed
    from torch.utils.data import DistributedSampler, Sampler
except ImportError:
    distributed = DistributedSampler = None  # type: ignore[assignment,misc]
    Sampler = Iterable  # type: ignore[assignment,misc]

_AHEAD = 1 << 20  # samples: as far as a mount tells its cache what is needed soonest, fs/PLANS.md
# Where several ranks read by one mount and each tells only its own samples, they must stay in step: a mount forgives 4096.
_AHEAD_OF_EACH_RANK = 1024


class PlanSampler(Sampler):  # type: ignore[type-arg]
    """Any sampler, or batch sampler, and the same indices; the mount that holds the samples is told them before they are read.

        loader = DataLoader(dataset, sampler=PlanSampler(RandomSampler(dataset)), batch_size=256, num_workers=8)

    sampler      what decides the order: of torch, or anything that can be iterated again for each epoch
    dataset      what the indices are of, where `sampler` does not know it: its list of paths is used (quire.datasets)
    paths        that list, where the dataset has none
    local_ranks  which ranks read by the same mount, in a distributed run; found by LOCAL_RANK and LOCAL_WORLD_SIZE (torchrun)

    Where the samples lie in no mount of Quire, it warns once and hands the indices through. set_epoch() goes to the sampler as well,
    and all other attributes are the sampler's.

    One process must tell what all ranks of a node read, as these read in turn: the first of `local_ranks` does, for samplers that can
    say it (DistributedSampler, QuasiRandomSampler, and others with of_rank()). Of other samplers each rank tells its own next samples.
    """

    def __init__(self, sampler: Iterable[Any], dataset: Any = None, *, paths: Sequence[Path] | None = None,
                 local_ranks: Sequence[int] | None = None):
        self.sampler = sampler
        self._start = 0
        self._mount, self._paths = _find_samples(sampler, dataset, paths)
        self._local_ranks = None if local_ranks is None else sorted(set(local_ranks))
        self._teller: Teller | None = None

    def __len__(self) -> int:
        """What an epoch has from here on: less while it goes on in the middle."""
        return len(self.sampler) - self._start  # type: ignore[arg-type]  # a TypeError where it has no length, as loaders expect

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Which epoch the next iteration is, for samplers that have epochs; its first `start` items are left out, to go on where an
        epoch was stopped."""
        if start < 0:
            raise ValueError(f'start={start} is negative')
        inner: Any = self.sampler
        while inner is not None and not hasattr(inner, 'set_epoch'):
            inner = getattr(inner, 'sampler', None)  # of a BatchSampler
        if inner is not None:
            inner.set_epoch(epoch)
        self._start = start

    def __iter__(self) -> Iterator[Any]:
        start, self._start = self._start, 0
        return self._iterate(start)

    def _iterate(self, start: int) -> Iterator[Any]:
        ranks = self._ranks_to_tell() if self._mount is not None else []
        if ranks is None:
            assert self._mount is not None
            ahead = _AHEAD_OF_EACH_RANK if _is_shared(self.sampler) else _AHEAD
            yield from self._tell_along(itertools.islice(iter(self.sampler), start, None), ahead)
            return
        if ranks:
            assert self._mount is not None
            orders = [itertools.islice(iter(_of_rank(self.sampler, rank)), start, None) for rank in ranks]
            self._teller = Teller(self._mount, before=self._teller)
            self._teller.append(self._paths_of(index for turn in zip(*orders) for index in turn))
            self._teller.close()
        yield from itertools.islice(iter(self.sampler), start, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or 'sampler' not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.__dict__['sampler'], name)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {'_teller': None}  # the thread stays where it is

    def _tell_along(self, items: Iterator[Any], ahead: int) -> Iterator[Any]:
        """Hands `items` on, and tells each before; at most `ahead` samples are taken from the sampler before they are asked for."""
        assert self._mount is not None
        self._teller = teller = Teller(self._mount, before=self._teller)
        waiting: deque[Any] = deque()
        try:
            first = next(items, None)
            items, is_more = itertools.chain([] if first is None else [first], items), True
            if isinstance(first, (list, tuple)):  # a batch
                ahead = max(ahead // max(len(first), 1), 1)
            while is_more or waiting:
                if is_more and len(waiting) <= ahead // 2:
                    asked = ahead - len(waiting)
                    more = list(itertools.islice(items, asked))
                    is_more = len(more) == asked
                    waiting.extend(more)
                    teller.append(self._paths_of(_flatten(more)))
                    if not is_more:
                        teller.close()
                if waiting:
                    yield waiting.popleft()
        finally:
            if waiting:  # that nobody will ask for
                teller.stop()
            teller.close()

    def _paths_of(self, indices: Iterable[Any]) -> Iterator[Path]:
        for index in indices:
            yield self._paths[int(index)]

    def _ranks_to_tell(self) -> list[int] | None:
        """The ranks whose samples this process tells: none where another process does it, and None for its own, as they come."""
        rank, world = getattr(self.sampler, 'rank', None), getattr(self.sampler, 'num_replicas', None)
        if not isinstance(rank, int) or not isinstance(world, int) or not _can_show_other_ranks(self.sampler):
            return None
        local = self._local_ranks if self._local_ranks is not None else _find_local_ranks(rank, world)
        if local is None or rank not in local:
            return None
        return local if rank == local[0] else []


class QuasiRandomSampler(Sampler):  # type: ignore[type-arg]
    """Indices in an order that is random enough to train by, and reads each page of the pack once, one after the other.

        sampler = QuasiRandomSampler(dataset, window=256)                    # 512 MiB of memory
        loader = DataLoader(dataset, sampler=PlanSampler(sampler), batch_size=256, num_workers=8)

    dataset       an ImageFolder, or any other that has a list of paths (quire.datasets), in a mount of Quire
    window        pages of 2 MiB whose samples are mixed at any moment: what the mount has to keep in memory, for each rank
    seed          orders are the same for the same seed and epoch, in all processes
    num_replicas  and rank: of a distributed run; found by torch.distributed where it was begun
    drop_last     leave out samples that cannot be dealt evenly to the ranks; else some are read twice, as by DistributedSampler
    paths         the samples' paths, where the dataset has no list of them
    pages         for each sample something that is equal for samples of one page, where no mount can be asked (quire.sample_pages)

    A rank is given a run of pages, so that ranks on different nodes read different parts of the pack. Where the samples lie in no mount
    of Quire, it warns once and shuffles them all: so all ranks must have a mount of the same pack, or none."""

    def __init__(self, dataset: Any = None, *, window: int = 256, seed: int = 0, num_replicas: int | None = None, rank: int | None = None,
                 drop_last: bool = False, paths: Sequence[Path] | None = None, pages: Sequence[Hashable] | None = None):
        if num_replicas is None:
            num_replicas = distributed.get_world_size() if _is_distributed() else 1
        if rank is None:
            rank = distributed.get_rank() if _is_distributed() else 0
        if num_replicas < 1 or not 0 <= rank < num_replicas:
            raise ValueError(f'rank={rank}, num_replicas={num_replicas}: a rank is one of 0 to num_replicas - 1')
        if window < 1:
            raise ValueError(f'window={window}: at least one page must be in memory')
        self.dataset, self.window, self.seed, self.drop_last = dataset, window, seed, drop_last
        self.num_replicas, self.rank, self.epoch = num_replicas, rank, 0
        self.paths = paths  # for a PlanSampler around this
        self._start = 0
        if pages is None:
            pages = _find_pages(dataset, paths)
        self._groups = shuffling.group_by_page(pages)
        samples = len(pages)
        self.num_samples = samples // num_replicas if drop_last else -(-samples // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __len__(self) -> int:
        return self.num_samples - self._start

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Which epoch the next iteration is; its first `start` samples are left out, to go on where an epoch was stopped."""
        if not 0 <= start <= self.num_samples:
            raise ValueError(f'start={start}: an epoch has {self.num_samples} samples')
        self.epoch, self._start = epoch, start

    def of_rank(self, rank: int) -> QuasiRandomSampler:
        """The same for another rank."""
        other = copy.copy(self)
        other.rank = rank
        return other

    def __iter__(self) -> Iterator[int]:
        start, self._start = self._start, 0
        row = shuffling.draw_row(self._groups, self.seed, self.epoch)
        share = shuffling.take_share(row, self.rank * self.num_samples, self.num_samples)
        order = shuffling.mix(share, self.window, f'quire samples {self.seed} {self.epoch} {self.rank}')
        return itertools.islice(order, start, None)


def _find_samples(sampler: Any, dataset: Any, paths: Sequence[Path] | None) -> tuple[Mount | None, Sequence[Path]]:
    """The mount that a sampler's samples lie in, and their paths."""
    if paths is None:
        paths = getattr(sampler, 'paths', None)
    if paths is None:
        known = dataset
        inner = sampler
        while known is None and inner is not None:
            known = getattr(inner, 'data_source', None)  # RandomSampler, SequentialSampler
            if known is None:
                known = getattr(inner, 'dataset', None)  # DistributedSampler, QuasiRandomSampler
            inner = getattr(inner, 'sampler', None)  # BatchSampler
        if known is None:
            raise Error(f'{type(sampler).__name__} does not know the dataset: PlanSampler(sampler, dataset)')
        paths = sample_paths(known)
    mount = find_mount(paths[0]) if len(paths) > 0 else None
    if mount is None:
        notices.warn_once('the samples lie in no mount of Quire, or in one whose control files are for another user: no plan is told')
        return None, []
    return _from_here(mount), paths


def _from_here(mount: Mount) -> Mount:
    """Relative paths of datasets begin in the working directory."""
    return Mount(mount.root, os.getcwd())


def _find_pages(dataset: Any, paths: Sequence[Path] | None) -> Sequence[Hashable]:
    """Where samples lie; each in a page of its own where nobody can tell, which makes a full shuffle."""
    if paths is None:
        if dataset is None:
            raise Error('QuasiRandomSampler needs a dataset, paths= or pages=')
        paths = sample_paths(dataset)
    try:
        return sample_pages(paths)  # which needs no control files, so other users than the one who mounted may do it
    except Error as error:
        notices.warn_once(f'{error}: all samples are shuffled')
        return range(len(paths))


def _flatten(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from item
        else:
            yield item


def _is_distributed() -> bool:
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


def _is_shared(sampler: Any) -> bool:
    """Whether other ranks may read by the same mount."""
    for world in (os.environ.get('LOCAL_WORLD_SIZE'), getattr(sampler, 'num_replicas', None)):
        if world is not None:
            return str(world) != '1'
    return _is_distributed() and distributed.get_world_size() > 1


def _can_show_other_ranks(sampler: Any) -> bool:
    # Those made of a DistributedSampler may do anything: only its own orders are known.
    return hasattr(sampler, 'of_rank') or (DistributedSampler is not None and type(sampler) is DistributedSampler)  # pylint: disable=C0123


def _of_rank(sampler: Any, rank: int) -> Iterable[Any]:
    if hasattr(sampler, 'of_rank'):
        other: Iterable[Any] = sampler.of_rank(rank)
    else:
        other = copy.copy(sampler)
        other.rank = rank  # type: ignore[attr-defined]
    return other


def _find_local_ranks(rank: int, world: int) -> list[int] | None:
    """The ranks of this node, which torchrun numbers one after the other; None where nobody says."""
    if world == 1:
        return [rank]
    try:
        local, count = int(os.environ['LOCAL_RANK']), int(os.environ['LOCAL_WORLD_SIZE'])
    except (KeyError, ValueError):
        return None
    first = rank - local
    return list(range(first, first + count)) if first >= 0 and 0 <= local < count and first + count <= world else None
