# SPDX-License-Identifier: Apache-2.0
"""In which pages of a pack the samples of a mount lie: by the index of the pack where it can be read here, else the mount is asked."""
from __future__ import annotations

import array
import concurrent.futures
import errno
import os
from collections.abc import Sequence

from quire.errors import Error
from quire.mounts import Path
from quire.pack import packs
from quire.pack.content import NO_PLACE

_PAGE, _VOLUME = 'user.quire.page', 'user.quire.volume'  # fs/SEMANTICS.md, "Where a sample lies"
# The index is compared with what the mount says of so many samples: another pack than the one that is mounted may have its name by now.
_COMPARED = 64
# What is asked of a mount at once, and by one of the threads in turn; more threads than it has for answers bring nothing.
_THREADS, _ASKED_IN_TURN = 8, 1024


def sample_pages(paths: Sequence[Path]) -> array.array[int]:
    """For each sample of a mount the number of a page of 2 MiB in which it begins; equal numbers are the same page of the same volume.
    Samples without bytes are given that of the sample before.

    Some seconds for a million samples where the mounted pack can be read here, and the kernel knows their names, as after a listing;
    else the mount is asked for each, 15 to 40 microseconds long."""
    if not hasattr(os, 'getxattr'):
        raise Error('where samples lie is told by mounts alone, which only Linux has')
    if len(paths) == 0:
        return array.array('Q')
    # Those without bytes have no page in a mount either.
    if all(_ask(path)[1] is None for path in paths[:_COMPARED]) and any(os.stat(path).st_size for path in paths[:_COMPARED]):
        raise Error(f'{os.fsdecode(paths[0])!r} lies in no mount of Quire, or in one of a release that does not tell places')
    pages = _by_index(paths)
    return pages if pages is not None else _by_mount(paths)


def _ask(path: Path) -> tuple[bytes, int | None]:
    """The volume and the page of a sample; no page where it has no bytes, or lies in no mount."""
    try:
        return os.getxattr(path, _VOLUME), int(os.getxattr(path, _PAGE))
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return b'', None
        raise Error(f'{os.fsdecode(path)!r}: its place in the pack is not told: {error.strerror}') from error


def _by_mount(paths: Sequence[Path]) -> array.array[int]:
    pages, numbers, page = array.array('Q'), dict[bytes, int](), 0
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        parts = (paths[at:at + _ASKED_IN_TURN] for at in range(0, len(paths), _ASKED_IN_TURN))
        for told in pool.map(lambda part: [_ask(path) for path in part], parts):
            for volume, found in told:
                if found is not None:
                    page = numbers.setdefault(volume, len(numbers)) << 48 | found
                pages.append(page)
    return pages


def _by_index(paths: Sequence[Path]) -> array.array[int] | None:
    """The same from the index: an inode is the number of a node, and one more. None where the pack is not to be had, or is another."""
    compared = [paths[at] for at in range(0, len(paths), max(len(paths) // _COMPARED, 1))]
    told = [_ask(path) for path in compared]
    volumes = {volume for volume, page in told if page is not None}
    volume = volumes.pop() if len(volumes) == 1 else b''  # of several packs that are seen as one, none has all
    if not os.path.isfile(volume):
        return None
    try:
        with packs.open(os.fsdecode(volume)) as pack:
            by_node = pack.pages_by_node()
        pages, page = array.array('Q'), 0
        for path in paths:
            found = by_node[os.stat(path).st_ino - 1]
            page = page if found == NO_PLACE else found
            pages.append(page)
        for path, (_, page_told) in zip(compared, told):
            found = by_node[os.stat(path).st_ino - 1]
            if (None if found == NO_PLACE else found & (1 << 48) - 1) != page_told:
                return None
    except (Error, IndexError, OSError):
        return None
    return pages
