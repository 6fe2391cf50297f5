# SPDX-License-Identifier: Apache-2.0
"""The superblock: what is trusted before any other sum was compared, as "Superblock" and "Which slot" of format/FORMAT.md say."""
from __future__ import annotations

import dataclasses
import struct

from quire.errors import DamagedError, UnsupportedError
from quire.pack.sums import Sum

MAGIC = b'\x89QUIRE\n\x1a'
MAJOR = 2
SLOT_BYTES = 4096
DATA_BEGIN = 2 * SLOT_BYTES
BLOCK_BYTES = 65536  # of the index
LIMIT_BYTES = 1 << 48  # of a volume
LAYER_BYTES = 1024  # of a superblock, which say how a layer below is read
(VOLUMES, ATTRIBUTES, DIRECTORIES, NODES, EXTENTS, SEGMENTS, NAMES, XATTRS, CODED_MEMBERS, DICTIONARIES, DICTIONARY_BYTES, LAYERS,
 REPLACED) = range(1, 14)
RECORD_BYTES = {VOLUMES: 64, ATTRIBUTES: 32, DIRECTORIES: 24, NODES: 32, EXTENTS: 24, SEGMENTS: 32, NAMES: 1, XATTRS: 1, CODED_MEMBERS: 40,
                DICTIONARIES: 32, DICTIONARY_BYTES: 1, LAYERS: LAYER_BYTES, REPLACED: 40}
MOST_LAYERS = 64
MOST_VOLUMES, MOST_DICTIONARIES = 65_535, 256
_NEEDED = {VOLUMES: 'volumes', ATTRIBUTES: 'attributes', DIRECTORIES: 'directories', NODES: 'nodes'}
_MOST = {VOLUMES: MOST_VOLUMES, DICTIONARIES: MOST_DICTIONARIES, LAYERS: MOST_LAYERS - 1}  # others as many as their bytes
_REQUIRED_FLAG = 1
_FIELDS = struct.Struct('<8sHHIIIQQQQQQQQQQQQQII2Q')
_SECTION = struct.Struct('<4I2Q')
_SECTIONS_AT, _SUM_AT = 192, 4088
_LEAST_SECTIONS, _MOST_SECTIONS = 4, 64
_MOST_LAYER_SECTIONS = (LAYER_BYTES - _SECTIONS_AT) // _SECTION.size


def align(value: int, to: int) -> int:
    """The next multiple of `to`."""
    return -(-value // to) * to


@dataclasses.dataclass(frozen=True)
class Section:
    """A table of the index: where in the body it begins, and how many records it has."""
    offset: int
    records: int


@dataclasses.dataclass(frozen=True)
class Superblock:
    """A valid one. The fields are those of FORMAT.md; `sections` has those that this release knows, by id."""
    version: tuple[int, int]
    generation: int
    index_offset: int
    body_bytes: int
    index_bytes: int
    root_sum: int
    pack_bytes: int
    samples: int
    symlinks: int
    hard_links: int
    left_out: int
    sample_bytes: int
    stored_bytes: int
    order_seed: int
    order: int
    commit_time: int  # of a further generation, as the mtime of nodes; else 0
    directories: int
    sections: dict[int, Section]

    def records(self, section: int) -> int:
        """Of this layer alone."""
        return self.sections[section].records


def sum_tree_levels(body_bytes: int) -> list[tuple[int, int]]:
    """Where the levels of the sum tree lie in the index: (offset, bytes), from the one above the body to the top one."""
    levels: list[tuple[int, int]] = []
    end = covered = body_bytes
    while not levels or covered > BLOCK_BYTES:
        covered = 8 * (-(-covered // BLOCK_BYTES))
        at = align(end, 64)
        levels.append((at, covered))
        end = at + covered
    return levels


class _Impossible(DamagedError):
    """A good sum, and a field that contradicts the format."""


class _Damaged(DamagedError):
    """No superblock, or one that a crash tore."""


def choose(slots: bytes, size: int, get_sum: Sum | None) -> Superblock:
    """The newest valid superblock of a source of `size` bytes. `slots`: its first 8192 bytes. Without `get_sum` sums are not compared."""
    valid, faults = [], []
    for number in range(2):
        slot = slots[number * SLOT_BYTES:(number + 1) * SLOT_BYTES]
        if slot.count(0) == SLOT_BYTES:
            continue
        try:
            valid.append(_decode(slot, number, get_sum))
        except _Damaged as fault:
            faults.append(fault)
    if not valid:
        raise faults[0] if faults else _Damaged('the superblock is empty: the pack was never completed')
    newest = max(valid, key=lambda superblock: superblock.generation)
    if newest.pack_bytes > size:
        raise DamagedError(f'the pack is cut off: {size} of {newest.pack_bytes} bytes are there')
    return newest


def decode_layer(record: bytes) -> Superblock:
    """That of a layer below, from its first 1024 bytes, whose sum is that of the block of the index that they lie in."""
    if record[:8] != MAGIC:
        raise DamagedError('a layer below is no superblock')
    _check_major(record)
    if int.from_bytes(record[20:24], 'little') > _MOST_LAYER_SECTIONS:
        raise DamagedError('a layer below has more sections than its record has room for')
    return _decode_fields(record)


def check_counts(superblock: Superblock, nodes: int, directories: int) -> None:
    """Of a generation whose layers have so many nodes, and in whose tree are so many directories."""
    if superblock.samples + superblock.symlinks + superblock.hard_links + directories > nodes:
        raise _Impossible('superblock: more entries are counted than there are nodes')


def _check_major(slot: bytes) -> None:
    major, minor = struct.unpack_from('<2H', slot, 8)
    if major != MAJOR:
        raise UnsupportedError(f'the pack is of format {major}.{minor}, and this release reads format {MAJOR}')


def _decode(slot: bytes, number: int, get_sum: Sum | None) -> Superblock:
    if len(slot) < SLOT_BYTES or slot[:8] != MAGIC:
        raise _Damaged('this is no Quire pack: it does not begin as one does')
    _check_major(slot)
    if get_sum is not None and get_sum(slot[:_SUM_AT]) != int.from_bytes(slot[_SUM_AT:], 'little'):
        raise _Damaged('the superblock differs from its sum')
    superblock = _decode_fields(slot)
    if (superblock.generation - 1) % 2 != number:
        raise _Impossible(f'superblock: generation {superblock.generation} in slot {number}')
    if superblock.records(LAYERS) == 0:
        check_counts(superblock, superblock.records(NODES), superblock.records(DIRECTORIES))
    return superblock


def _decode_fields(slot: bytes) -> Superblock:
    (_, major, minor, required, _, count, generation, index_offset, body_bytes, index_bytes, root_sum, pack_bytes, samples, symlinks,
     hard_links, left_out, sample_bytes, stored_bytes, order_seed, order, _, commit_time, directories) = _FIELDS.unpack_from(slot)
    if required != 0:
        raise UnsupportedError(f'the pack needs the features {required:#x} of a newer release than this')
    if not _LEAST_SECTIONS <= count <= _MOST_SECTIONS:
        raise _Impossible(f'superblock: {count} sections, not {_LEAST_SECTIONS} to {_MOST_SECTIONS}')
    if generation == 0:
        raise _Impossible('superblock: generation 0')
    if index_offset % 4096 != 0 or index_offset < DATA_BEGIN or index_offset > LIMIT_BYTES:
        raise _Impossible(f'superblock: the index at {index_offset}, where none can be')
    if body_bytes == 0 or body_bytes > LIMIT_BYTES:
        raise _Impossible(f'superblock: a body of {body_bytes} bytes')
    if index_bytes != sum(sum_tree_levels(body_bytes)[-1]) or pack_bytes != index_offset + index_bytes or pack_bytes > LIMIT_BYTES:
        raise _Impossible(f'superblock: index of {index_bytes} bytes, pack of {pack_bytes}, which its other fields contradict')
    return Superblock((major, minor), generation, index_offset, body_bytes, index_bytes, root_sum, pack_bytes, samples, symlinks, hard_links,
                      left_out, sample_bytes, stored_bytes, order_seed, order, commit_time, directories,
                      _decode_sections(slot, count, body_bytes))


def _decode_sections(slot: bytes, count: int, body_bytes: int) -> dict[int, Section]:
    sections: dict[int, Section] = {}
    seen: set[int] = set()
    end = 0
    for number in range(count):
        kind, flags, record_bytes, _, offset, length = _SECTION.unpack_from(slot, _SECTIONS_AT + number * _SECTION.size)
        if kind in seen:
            raise _Impossible(f'section {kind} is there twice')
        seen.add(kind)
        if offset % 64 != 0 or offset < end or offset > body_bytes or length > body_bytes - offset:
            raise _Impossible(f'section {kind} at {offset}, of {length} bytes, is not where it can be')
        if record_bytes == 0 or length % record_bytes != 0:
            raise _Impossible(f'section {kind}: {length} bytes of records of {record_bytes}')
        end = offset + length
        is_known = kind in RECORD_BYTES and flags & ~_REQUIRED_FLAG == 0
        if not is_known and flags & _REQUIRED_FLAG:
            raise UnsupportedError(f'section {kind} with flags {flags:#x} is of a newer release than this')
        if is_known and record_bytes != RECORD_BYTES[kind]:
            raise UnsupportedError(f'section {kind} has records of {record_bytes} bytes, as of a newer release than this')
        if is_known:
            sections[kind] = Section(offset, length // record_bytes)
    for kind in RECORD_BYTES:
        sections.setdefault(kind, Section(0, 0))
    for kind, name in _NEEDED.items():
        if sections[kind].records == 0 and (kind == VOLUMES or sections[LAYERS].records == 0):
            raise _Impossible(f'there is no section of {name}')
    for kind, most in _MOST.items():
        if sections[kind].records > most:
            raise _Impossible(f'section {kind} has {sections[kind].records} records, and {most} at most are possible')
    return sections
