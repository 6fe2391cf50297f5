# SPDX-License-Identifier: Apache-2.0
"""The bytes of samples, as "Extents", "Segments" and "Volumes" of format/FORMAT.md say: none is handed out that was not compared."""
from __future__ import annotations

import array
import dataclasses
import io
import struct
import zlib
from collections.abc import Callable

from quire.errors import DamagedError, Error
from quire.pack.layers import Layers
from quire.pack.sources import Source
from quire.pack.sums import Sum
from quire.pack.superblock import EXTENTS, NODES, SEGMENTS
from quire.pack.tree import FILE, SEGMENTED, Node
from quire.pack.volumes import CRC_32, NO_SUMS, PAGE_BYTES, Volumes

NO_SEGMENT = (1 << 40) - 1
NO_PLACE = (1 << 64) - 1
_OFFSET = (1 << 48) - 1
_MOST_SAMPLE_BYTES = (1 << 63) - 1
_UNKNOWN_CRC = 1 << 32  # in place of the sum of a part of a zip's member


@dataclasses.dataclass(frozen=True)
class Piece:
    """Consecutive bytes of a sample: those of an extent, or of a hole, which has none."""
    begin: int  # in the sample
    end: int
    extent: int | None


class Content:
    """Any thread may read. Without `get_sum` sums are not compared."""

    def __init__(self, layers: Layers, volumes: Volumes, get_sum: Sum | None):
        self._layers, self._volumes, self._get_sum = layers, volumes, get_sum

    def piece_at(self, node: Node, at: int) -> Piece:
        """What holds byte `at` of a sample. REQUIRES: the node is a file, or segmented; at < its size."""
        if node.size > _MOST_SAMPLE_BYTES:
            raise DamagedError(f'node {node.number} has {node.size} bytes')
        if node.kind == FILE:
            if node.size > PAGE_BYTES:
                raise DamagedError(f'node {node.number} has {node.size} bytes in one extent')
            return Piece(0, node.size, node.content)
        if node.content == NO_SEGMENT:
            return Piece(0, node.size, None)
        return self._segment_piece(node, at)

    def place(self, node: Node) -> tuple[int, int] | None:
        """(volume, page) in which the first stored byte of a sample lies; None where it has none."""
        if node.size == 0 or (node.kind != FILE and node.content == NO_SEGMENT):
            return None
        extent = node.content if node.kind == FILE else self._segment(node.content)[2]
        offset, volume, _, _ = self._extent(extent)
        return volume, offset // PAGE_BYTES

    def pages_by_node(self) -> array.array[int]:
        """place() of all nodes at once; what Pack.pages_by_node() says."""
        # An extent's offset and volume stand in one number of 64 bits.
        extents = array.array('Q', (place >> 48 << 48 | (place & _OFFSET) // PAGE_BYTES for place, in self._layers.all(EXTENTS, '<Q16x')))
        places = array.array('Q')
        try:
            for size, kind, low, high in self._layers.all(NODES, '<8xQ10xBIB'):
                content, place = high << 32 | low, NO_PLACE
                if kind == FILE and size > 0:
                    place = extents[content]
                elif kind == SEGMENTED and content != NO_SEGMENT:
                    place = extents[self._segment(content)[2]]
                places.append(place)
        except IndexError:
            raise DamagedError(f'node {len(places)} names an extent that is not there') from None
        return places

    def read(self, piece: Piece) -> bytes:
        """All bytes of a piece with an extent, 2 MiB at most."""
        assert piece.extent is not None
        offset, volume, length, expected = self._extent(piece.extent)
        if length != piece.end - piece.begin:
            raise DamagedError(f'extent {piece.extent} has {length} bytes, and its sample {piece.end - piece.begin} there')
        record, source = self._volumes.record(volume), self._volumes.source(volume)
        if (offset < record.data_begin or offset + length > record.data_end or
                offset // record.most_bytes != (offset + length - 1) // record.most_bytes):
            raise DamagedError(f'extent {piece.extent} lies at {offset} of volume {volume}, where none can')
        is_right = self._is_right(source, record.sum_kind, expected)
        data = source.read(offset, length)
        if is_right(data):
            return data
        # Once more: what came wrong over a network may have been right where it lies.
        source.forget(offset, length)
        data = source.read(offset, length)
        if not is_right(data):
            raise DamagedError(f'bytes {offset} to {offset + length} of {source.name} differ from their sum')
        return data

    def _is_right(self, source: Source, sum_kind: int, expected: int) -> Callable[[bytes], bool]:
        """What compares bytes of an extent with its sum."""
        if sum_kind == NO_SUMS or (sum_kind == CRC_32 and expected == _UNKNOWN_CRC):
            return lambda _: source.confirm() is None
        if self._get_sum is None:
            return lambda _: True
        get_sum = zlib.crc32 if sum_kind == CRC_32 else self._get_sum
        return lambda data: get_sum(data) == expected

    def _extent(self, number: int) -> tuple[int, int, int, int]:
        record = self._layers.record(EXTENTS, number)
        offset, volume, length = (int.from_bytes(record[at:end], 'little') for at, end in ((0, 6), (6, 8), (8, 11)))
        if not 1 <= length <= PAGE_BYTES:
            raise DamagedError(f'extent {number} has {length} bytes')
        return offset, volume, length, int.from_bytes(record[16:24], 'little')

    def _segment(self, number: int) -> tuple[int, int, int, int]:
        at, length, first, following = struct.unpack('<4Q', self._layers.record(SEGMENTS, number))
        if length == 0 or length > _MOST_SAMPLE_BYTES or at > _MOST_SAMPLE_BYTES - length:
            raise DamagedError(f'segment {number} has {length} bytes at {at}')
        return at, length, first, following

    def _segment_piece(self, node: Node, at: int) -> Piece:
        """By a search among the segments of the file, those next to the place of which must be in order."""
        low, high = node.content, node.content + 1 + self._segment(node.content)[3]
        if high > self._layers.count(SEGMENTS):
            raise DamagedError(f'node {node.number} has more segments than there are')
        first, last = low, high
        while low < high:  # the first that begins behind `at`
            middle = (low + high) // 2
            if self._segment(middle)[0] <= at:
                low = middle + 1
            else:
                high = middle
        hole_begin, hole_end = 0, node.size
        if low < last:
            hole_end = self._segment(low)[0]
        if hole_end > node.size:
            raise DamagedError(f'segment {low} lies behind the end of node {node.number}')
        if low > first:
            begin, length, extent, _ = self._segment(low - 1)
            if begin + length > hole_end:
                raise DamagedError(f'segment {low - 1} of node {node.number} overlaps what is behind it')
            if at < begin + length:
                most = self._volumes.record(self._extent(extent)[1]).most_bytes
                part = (at - begin) // most
                piece_begin = begin + part * most
                return Piece(piece_begin, min(piece_begin + most, begin + length), extent + part)
            hole_begin = begin + length
        return Piece(hole_begin, hole_end, None)


class SampleFile(io.RawIOBase):
    """A sample as a file that is read piece by piece, so that one of any size needs 2 MiB. Of one thread at a time."""

    def __init__(self, content: Content, node: Node, most_bytes: int, explain: Callable[[Error], Error]):
        """`most_bytes` is what is read at once. `explain` makes of an error one that names the sample."""
        super().__init__()
        self._content, self._node, self._most_bytes, self._explain = content, node, most_bytes, explain
        self._at = 0
        self._piece = Piece(0, 0, None)
        self._data = b''

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._node.size}[whence]
        if base + offset < 0:
            raise ValueError(f'seek to {base + offset}')
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self.closed:
            raise ValueError('read of a closed sample')
        if self._at >= self._node.size or len(buffer) == 0:
            return 0
        if not self._piece.begin <= self._at < self._piece.end:
            try:
                piece = self._content.piece_at(self._node, self._at)
                self._data = b'' if piece.extent is None else self._content.read(piece)
            except Error as error:
                raise self._explain(error) from error
            self._piece = piece
        count = min(len(buffer), self._piece.end - self._at)
        begin = self._at - self._piece.begin
        buffer[:count] = bytes(count) if self._piece.extent is None else self._data[begin:begin + count]
        self._at += count
        return count

    def readall(self) -> bytes:
        missing = max(self._node.size - self._at, 0)
        if missing > self._most_bytes:
            raise self._explain(Error(f'{missing} bytes are more than max_sample_bytes={self._most_bytes}: read it in parts'))
        whole = bytearray(missing)
        view, at = memoryview(whole), 0
        while at < missing:
            at += self.readinto(view[at:])
        return bytes(whole)
