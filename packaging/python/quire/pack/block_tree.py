# SPDX-License-Identifier: Apache-2.0
"""The body of the index, each block of which was compared with the sum tree before anything in it is used ("Index" of FORMAT.md)."""
from __future__ import annotations

import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from quire.errors import DamagedError
from quire.pack.sources import Source
from quire.pack.sums import Sum
from quire.pack.superblock import BLOCK_BYTES, RECORD_BYTES, Superblock, sum_tree_levels

_KEPT_BLOCKS = 256  # 16 MiB: what a walk over a million names touches in turn, and the levels above
_SUMS_IN_BLOCK = BLOCK_BYTES // 8
_RECORDS_AT_ONCE = 8192
# Damage is remembered for so long: a search that goes around a block meets it at each of its records.
_REMEMBERED_S = 1.0

_Key = tuple[int, int, int]  # where the index begins, level, number in the level


class BlockCache:
    """The last blocks that were read, of all layers of a pack, and those that were found damaged. Any thread may use it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._damage: dict[_Key, tuple[float, DamagedError]] = {}
        self._lock = threading.Lock()  # of both; not held while something is read

    def get(self, key: _Key, read: Callable[[], bytes]) -> bytes:
        """The block of that key, which `read` reads where it is not here."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
            seen, error = self._damage.get(key, (0.0, None))
        if error is not None and time.monotonic() - seen < _REMEMBERED_S:
            raise DamagedError(str(error))
        try:
            block = read()
        except DamagedError as fault:
            with self._lock:
                if len(self._damage) >= _KEPT_BLOCKS:
                    self._damage.clear()
                self._damage[key] = (time.monotonic(), fault)
            raise
        with self._lock:
            self._kept[key] = block
            while len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return block


class BlockTree:
    """The index of one layer. Any thread may read. Without `get_sum` sums are not compared."""

    def __init__(self, source: Source, superblock: Superblock, get_sum: Sum | None, cache: BlockCache):
        self._source, self._get_sum, self._cache = source, get_sum, cache
        self.superblock = superblock
        self._index_offset, self._root_sum = superblock.index_offset, superblock.root_sum
        self.sections = superblock.sections
        self._levels = [(0, superblock.body_bytes), *sum_tree_levels(superblock.body_bytes)]  # level 0 is the body

    def record(self, section: int, number: int) -> bytes:
        """REQUIRES: this layer has as many. A DamagedError where its block is damaged."""
        return self._bytes(self.sections[section].offset + number * RECORD_BYTES[section], RECORD_BYTES[section])

    def text(self, section: int, offset: int, length: int) -> bytes:
        """Bytes of a section that has no records. REQUIRES: they begin in this layer."""
        if offset + length > self.sections[section].records:
            raise DamagedError(f'the index names bytes of section {section} that lie in two layers')
        return self._bytes(self.sections[section].offset + offset, length)

    def all(self, section: int, form: str) -> Iterator[tuple[int, ...]]:
        """The fields of all records of a section, in order. `form` is that of a record for struct."""
        size, count = RECORD_BYTES[section], self.sections[section].records
        for first in range(0, count, _RECORDS_AT_ONCE):
            part = self._bytes(self.sections[section].offset + first * size, min(_RECORDS_AT_ONCE, count - first) * size)
            yield from struct.iter_unpack(form, part)

    def _bytes(self, at: int, length: int) -> bytes:
        number, within = divmod(at, BLOCK_BYTES)
        block = self._block(0, number)
        if within + length <= BLOCK_BYTES:
            return block[within:within + length]
        parts = [block[within:]]
        while (missing := length - sum(map(len, parts))) > 0:
            number += 1
            parts.append(self._block(0, number)[:missing])
        return b''.join(parts)

    def _block(self, level: int, number: int) -> bytes:
        return self._cache.get((self._index_offset, level, number), lambda: self._read(level, number))

    def _read(self, level: int, number: int) -> bytes:
        begin, length = self._levels[level]
        offset = self._index_offset + begin + number * BLOCK_BYTES
        length = min(BLOCK_BYTES, length - number * BLOCK_BYTES)
        block = self._source.read(offset, length)
        if self._get_sum is None:
            return block
        expected = self._sum_of(level, number)
        if self._get_sum(block) != expected:
            # Once more: what came wrong over a network may have been right where it lies.
            self._source.forget(offset, length)
            block = self._source.read(offset, length)
            if self._get_sum(block) != expected:
                raise DamagedError(f'the index is damaged: bytes {offset} to {offset + length} of the pack differ from their sum')
        return block

    def _sum_of(self, level: int, number: int) -> int:
        if level + 1 == len(self._levels):
            return self._root_sum
        above, within = divmod(number, _SUMS_IN_BLOCK)
        return int.from_bytes(self._block(level + 1, above)[8 * within:8 * within + 8], 'little')
