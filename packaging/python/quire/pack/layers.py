# SPDX-License-Identifier: Apache-2.0
"""The layers of which the index of one generation consists, each with a sum tree of its own ("Layers" of FORMAT.md). Records are numbered
through all of them, so they are asked for by their numbers here, and nobody else knows in which layer one lies."""
from __future__ import annotations

import bisect
from collections.abc import Iterator

from quire.errors import DamagedError
from quire.pack.block_tree import BlockCache, BlockTree
from quire.pack.sources import Source
from quire.pack.sums import Sum
from quire.pack.superblock import (DICTIONARIES, DIRECTORIES, LAYERS, MOST_DICTIONARIES, NODES, RECORD_BYTES, REPLACED, VOLUMES, Superblock,
                                   check_counts, decode_layer)

_OF_ONE_LAYER = (VOLUMES, LAYERS, REPLACED)  # stated anew by each
_MOST_RECORDS = (1 << 40) - 1


class Layers:
    """Any thread may read. Without `get_sum` sums are not compared."""

    def __init__(self, source: Source, superblock: Superblock, get_sum: Sum | None, cache: BlockCache):
        """Those of the generation of `superblock`, by the blocks of `cache`, which generations of one pack may share."""
        self.superblock = superblock
        newest = BlockTree(source, superblock, get_sum, cache)
        self.below = _read_below(newest)
        self._trees = [BlockTree(source, layer, get_sum, cache) for layer in reversed(self.below)] + [newest]  # the oldest first
        self._first: dict[int, list[int]] = {}  # by section: the number of each layer's first record
        self._counts: dict[int, int] = {}
        for section in RECORD_BYTES:
            self._number(section)
        if self._counts[DICTIONARIES] > MOST_DICTIONARIES:
            raise DamagedError(f'the layers have {self._counts[DICTIONARIES]} dictionaries, and {MOST_DICTIONARIES} at most are possible')
        if self.below:
            check_counts(superblock, self._counts[NODES], superblock.directories)

    def _number(self, section: int) -> None:
        first, end = [], 0
        for tree in self._trees:
            first.append(end)
            if section not in _OF_ONE_LAYER:
                end += tree.sections[section].records
        if end > _MOST_RECORDS:
            raise DamagedError(f'the layers have {end} records of section {section}, and {_MOST_RECORDS} at most are possible')
        self._first[section] = first
        self._counts[section] = end if section not in _OF_ONE_LAYER else self._trees[-1].sections[section].records

    def count(self, section: int) -> int:
        """Records, or bytes, of all layers; of volumes those that the newest states."""
        return self._counts[section]

    def record(self, section: int, number: int) -> bytes:
        """Record `number` of a section. A DamagedError where there is none, or its block is damaged."""
        if number >= self._counts[section]:
            raise DamagedError(f'the index names record {number} of section {section}, which has {self._counts[section]}')
        tree, first = self._find(section, number)
        return tree.record(section, number - first)

    def text(self, section: int, offset: int, length: int) -> bytes:
        """Bytes of the names, the xattrs or the dictionaries, none of which lie in two layers."""
        if offset + length > self._counts[section]:
            raise DamagedError(f'the index names bytes {offset} to {offset + length} of section {section}, which has {self._counts[section]}')
        if length == 0:
            return b''
        tree, first = self._find(section, offset)
        return tree.text(section, offset - first, length)

    def all(self, section: int, form: str) -> Iterator[tuple[int, ...]]:
        """The fields of all records of a section, in order. `form` is that of a record for struct."""
        for tree in self._trees:
            yield from tree.all(section, form)

    def first_node_of_layer(self, number: int) -> int:
        """Of the layer that a node is in. REQUIRES: there is the node."""
        return self._find(NODES, number)[1]

    def has_references(self, number: int) -> bool:
        """Whether a node of that number may stand for another: the oldest layer has none that does."""
        return len(self._trees) > 1 and number >= self._first[NODES][1]

    def replacing(self, number: int) -> bytes | None:
        """The record that a node has instead of its first one, from the newest layer that has one; None where none has."""
        for tree, first in zip(reversed(self._trees), reversed(self._first[NODES])):
            if number >= first:
                return None
            low, high = 0, tree.sections[REPLACED].records
            while low < high:
                middle = (low + high) // 2
                record = tree.record(REPLACED, middle)
                found = int.from_bytes(record[:8], 'little')
                if found == number:
                    return record[8:]
                if found < number:
                    low = middle + 1
                else:
                    high = middle
        return None

    def _find(self, section: int, number: int) -> tuple[BlockTree, int]:
        """The layer of a record, and the number of its first one."""
        first = self._first[section]
        at = bisect.bisect_right(first, number) - 1 if first[-1] > number else -1
        return self._trees[at], first[at]


def _read_below(newest: BlockTree) -> list[Superblock]:
    """The layers below, the newest first."""
    below: list[Superblock] = []
    above = newest.superblock
    for number in range(newest.sections[LAYERS].records):
        layer = decode_layer(newest.record(LAYERS, number))
        if layer.generation >= above.generation or layer.pack_bytes > above.index_offset:
            raise DamagedError(f'the layer of generation {layer.generation}, which ends at {layer.pack_bytes}, does not lie below that of '
                               f'generation {above.generation}')
        below.append(layer)
        above = layer
    return below
