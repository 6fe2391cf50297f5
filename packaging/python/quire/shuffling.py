# SPDX-License-Identifier: Apache-2.0
"""A shuffle that goes through the pages of a pack in a random order, and mixes the samples of K pages at any moment.

Pages are put in a random order. The samples of the n-th of them are given keys from n to n + K, and samples are sorted by their keys: a
page is first needed when keys reach its n, and last before n + K. So K pages at most are begun and not finished at any moment, one is
begun as one is finished, and there is no border over which nothing mixes. (FFCV fills a window, shuffles it and empties it; MosaicML's
py1e moves each sample by a random distance within a range, as here, but by samples of shards.)

The samples of a page, in a random order, have one key in each of equal parts of that range, at a random place in it. So a batch has
samples of more pages, and of more classes where a page has one class, than with keys that are drawn independently: 196 and not 156 of
1000 classes in a batch of 256, by examples/how_random.py.

The same seed and epoch give the same order in every process, with every release of Python: only random() is drawn, which Python
promises to keep."""
from __future__ import annotations

import random
from collections.abc import Hashable, Sequence


def group_by_page(pages: Sequence[Hashable]) -> list[list[int]]:
    """The samples of each page, by their indices; pages in the order in which they are met."""
    groups: dict[Hashable, list[int]] = {}
    for index, page in enumerate(pages):
        group = groups.get(page)
        if group is None:
            groups[page] = [index]
        else:
            group.append(index)
    return list(groups.values())


def draw_row(groups: list[list[int]], seed: int, epoch: int) -> list[list[int]]:
    """The pages in their order of this epoch, the same for all ranks."""
    draws = random.Random(f'quire pages {seed} {epoch}')
    keys = [draws.random() for _ in groups]
    return [groups[number] for number in sorted(range(len(groups)), key=keys.__getitem__)]


def take_share(row: list[list[int]], begin: int, count: int) -> list[list[int]]:
    """`count` samples from number `begin` of the row on, page by page; behind the end of the row it begins again."""
    total = sum(map(len, row))
    share: list[list[int]] = []
    begin %= max(total, 1)
    while count > 0:
        at = 0
        for page in row:
            part = page[max(begin - at, 0):max(begin - at, 0) + count] if at + len(page) > begin else []
            at += len(page)
            if part:
                share.append(part)
                count -= len(part)
            if count == 0:
                break
        begin = 0
    return share


def mix(share: list[list[int]], window: int, seed: str) -> list[int]:
    """The order in which samples are read: those of `window` pages are mixed at any moment."""
    draw = random.Random(seed).random
    keys: list[float] = []
    samples: list[int] = []
    for number, page in enumerate(share):
        draws = [draw() for _ in page]
        samples += [page[at] for at in sorted(range(len(page)), key=draws.__getitem__)]
        part = window / len(page)
        keys += [number + part * (at + draw()) for at in range(len(page))]
    return [samples[at] for at in sorted(range(len(samples)), key=keys.__getitem__)]
