# SPDX-License-Identifier: Apache-2.0
"""Volumes that are decoded from another one, as "Coded members" of format/FORMAT.md says: members of zip files that are deflated, and
compressed samples. Nothing is decoded into more room than the index states for it."""
from __future__ import annotations

import dataclasses
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quire.errors import DamagedError, SourceError, UnsupportedError
from quire.pack import zstd
from quire.pack.layers import Layers
from quire.pack.sources import Source
from quire.pack.sums import Sum
from quire.pack.superblock import CODED_MEMBERS, DATA_BEGIN, DICTIONARIES, DICTIONARY_BYTES, LIMIT_BYTES

if TYPE_CHECKING:
    from quire.pack.volumes import Record

_PAGE_BYTES = 2 << 20
_STORED, _DEFLATE, _ZSTD = range(3)
_MOST_DICTIONARY_BYTES = 131_072
_MOST_INFLATED_BYTES = 1 << 36
_MOST_RATIO = 1032  # of what is deflated
_PIECE_BYTES = 128 << 10  # of a long member, stored
# Decoded members that are kept, since small samples share them and are read one after the other: 8 MiB of frames.
_KEPT_BYTES = 8 << 20
_MOST_STREAMS = 4  # long members that are under way


@dataclasses.dataclass(frozen=True)
class Member:
    """One record of the coded members."""
    number: int
    offset: int
    volume: int
    stored_offset: int
    codec: int
    dictionary: int
    size: int
    stored_bytes: int
    sum: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class KeptMembers:
    """Of all decoded volumes of a pack, what was decoded last, and long members that are under way. Any thread may use it."""

    def __init__(self) -> None:
        self._whole: OrderedDict[int, bytes] = OrderedDict()  # by number of the member
        self._bytes = 0  # of _whole
        self._long: OrderedDict[int, _LongMember] = OrderedDict()
        self._lock = threading.Lock()  # of the three above

    def get(self, number: int) -> bytes | None:
        with self._lock:
            if number in self._whole:
                self._whole.move_to_end(number)
            return self._whole.get(number)

    def put(self, number: int, whole: bytes) -> None:
        with self._lock:
            self._bytes += len(whole) - len(self._whole.get(number, b''))
            self._whole[number] = whole
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._whole.popitem(last=False)[1])

    def long(self, member: Member, open_base: Callable[[], Source], is_checked: bool) -> _LongMember:
        with self._lock:
            if member.number not in self._long:
                self._long[member.number] = _LongMember(member, open_base, is_checked)
            self._long.move_to_end(member.number)
            if len(self._long) > _MOST_STREAMS:
                self._long.popitem(last=False)
            return self._long[member.number]

    def drop(self, number: int) -> None:
        with self._lock:
            self._bytes -= len(self._whole.pop(number, b''))
            self._long.pop(number, None)


class DecodedSource(Source):
    """One volume. Any thread may read. Without `get_sum` sums are not compared."""

    def __init__(self, layers: Layers, number: int, record: Record, base: Record, open_base: Callable[[], Source], get_sum: Sum | None,
                 kept: KeptMembers):
        """`base` and `open_base`: the volume that it is decoded from."""
        self.name, self.size = f'volume {number}', record.data_end
        self._layers, self._number, self._record, self._get_sum = layers, number, record, get_sum
        self._open_base, self._is_framed, self._kept = open_base, record.is_framed, kept
        # Coded bytes of a pack lie before the pages of their generation, or before its index where it has none.
        framed_end = layers.superblock.index_offset if record.base == 0 else LIMIT_BYTES
        self._stored = (DATA_BEGIN, framed_end) if self._is_framed else (base.data_begin, base.data_end)

    def read(self, offset: int, length: int) -> bytes:
        parts, at, number = [], offset, self._first_behind(offset)
        while at < offset + length:
            member = self._member(number) if number < self._layers.count(CODED_MEMBERS) else None
            if member is None or member.volume != self._number or member.offset >= offset + length:
                parts.append(bytes(offset + length - at))
                break
            parts.append(bytes(max(member.offset - at, 0)))  # of no member
            at = max(at, member.offset)
            if at >= member.end:
                raise DamagedError(f'coded member {number} lies before the one before it')
            end = min(member.end, offset + length)
            parts.append(self._decoded(member, at - member.offset, end - member.offset))
            at, number = end, number + 1
        return b''.join(parts)

    def forget(self, offset: int, length: int) -> None:
        number = self._first_behind(offset)
        while number < self._layers.count(CODED_MEMBERS):
            member = self._member(number)
            if member.volume != self._number or member.offset >= offset + length:
                break
            self._kept.drop(number)
            self._open_base().forget(member.stored_offset, member.stored_bytes)
            number += 1

    def confirm(self) -> None:
        self._open_base().confirm()

    def _first_behind(self, offset: int) -> int:
        """The first member of this volume, or of a later one, that ends behind a place."""
        low, high = 0, self._layers.count(CODED_MEMBERS)
        while low < high:
            middle = (low + high) // 2
            member = self._decode(middle)
            if (member.volume, member.end) > (self._number, offset):
                high = middle
            else:
                low = middle + 1
        return low

    def _decode(self, number: int) -> Member:
        record = self._layers.record(CODED_MEMBERS, number)
        at, volume, stored_at = (int.from_bytes(record[begin:end], 'little') for begin, end in ((0, 6), (6, 8), (8, 14)))
        size, stored_bytes, expected = (int.from_bytes(record[begin:begin + 8], 'little') for begin in (16, 24, 32))
        return Member(number, at, volume, stored_at, record[14], record[15], size, stored_bytes, expected)

    def _member(self, number: int) -> Member:
        """Checked, where it is of this volume."""
        member = self._decode(number)
        if member.volume != self._number:
            return member
        begin, end = self._stored
        if not (self._record.data_begin <= member.offset < member.end <= self._record.data_end and
                begin <= member.stored_offset < member.stored_offset + member.stored_bytes <= end):
            raise DamagedError(f'coded member {number} lies where none can')
        if member.codec not in ((_STORED, _ZSTD) if self._is_framed else (_DEFLATE,)) or (member.codec != _ZSTD and member.dictionary):
            raise UnsupportedError(f'coded member {number} is of codec {member.codec}, dictionary {member.dictionary}, which a newer release may know')
        most = self._record.most_bytes
        crosses = member.offset // most != (member.end - 1) // most
        if self._is_framed:
            fits = member.stored_bytes == member.size if member.codec == _STORED else member.stored_bytes < member.size
        else:
            fits = (member.size <= min(_MOST_RATIO * member.stored_bytes, _MOST_INFLATED_BYTES) and member.stored_bytes <= 2 * member.size + 4096)
            if member.size > most:
                crosses = member.offset % most != 0
        if crosses or not fits:
            raise DamagedError(f'coded member {number} of {member.stored_bytes} bytes cannot be {member.size} bytes at {member.offset}')
        return member

    def _decoded(self, member: Member, begin: int, end: int) -> bytes:
        if member.size > _PAGE_BYTES:
            return self._kept.long(member, self._open_base, self._get_sum is not None).read(begin, end)
        whole = self._kept.get(member.number)
        if whole is None:
            whole = self._inflate(member) if member.codec == _DEFLATE else self._decode_frame(member)
            self._kept.put(member.number, whole)
        return whole[begin:end]

    def _inflate(self, member: Member) -> bytes:
        stored = self._open_base().read(member.stored_offset, member.stored_bytes)
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            whole = stream.decompress(stored, member.size + 1)
        except zlib.error as error:
            raise DamagedError(f'coded member {member.number} cannot be inflated: {error}') from error
        if len(whole) != member.size or not stream.eof or stream.unused_data:
            raise DamagedError(f'coded member {member.number} does not come to {member.size} bytes')
        return whole

    def _decode_frame(self, member: Member) -> bytes:
        stored = self._open_base().read(member.stored_offset, member.stored_bytes)
        if self._get_sum is not None and self._get_sum(stored) != member.sum:
            # Once more: what came wrong over a network may have been right where it lies.
            self._open_base().forget(member.stored_offset, member.stored_bytes)
            stored = self._open_base().read(member.stored_offset, member.stored_bytes)
            if self._get_sum(stored) != member.sum:
                raise DamagedError(f'bytes {member.stored_offset} to {member.stored_offset + member.stored_bytes}, which are compressed, '
                                   'differ from their sum')
        if member.codec == _STORED:
            return stored
        return zstd.decode(stored, member.size, self._dictionary(member.dictionary) if member.dictionary else b'')

    def _dictionary(self, number: int) -> bytes:
        record = self._layers.record(DICTIONARIES, number)
        at, length, expected = int.from_bytes(record[:8], 'little'), int.from_bytes(record[8:12], 'little'), int.from_bytes(record[16:24], 'little')
        if not 1 <= length <= _MOST_DICTIONARY_BYTES:
            raise DamagedError(f'dictionary {number} has {length} bytes')
        dictionary = self._layers.text(DICTIONARY_BYTES, at, length)
        if self._get_sum is not None and self._get_sum(dictionary) != expected:
            raise DamagedError(f'dictionary {number} differs from its sum')
        return dictionary


class _LongMember:
    """A deflated member of more than a page, which is inflated from its start, or from where the read before ended. Reads take turns."""

    def __init__(self, member: Member, open_base: Callable[[], Source], is_checked: bool):
        self._member, self._open_base, self._is_checked = member, open_base, is_checked
        self._lock = threading.Lock()  # of all below, and held while something is read
        self._begin()

    def _begin(self) -> None:
        self._stream: Any = zlib.decompressobj(-zlib.MAX_WBITS)
        self._at = self._stored_at = self._crc = 0  # inflated, taken of the stored bytes, CRC-32 of what was inflated

    def read(self, begin: int, end: int) -> bytes:
        with self._lock:
            if begin < self._at:
                self._begin()
            try:
                while self._at < begin:
                    self._inflate(min(begin - self._at, _PIECE_BYTES))
                parts = []
                while self._at < end:
                    parts.append(self._inflate(end - self._at))
                if end == self._member.size:
                    self._check_end()
            except (zlib.error, DamagedError, SourceError) as error:
                self._begin()
                if isinstance(error, zlib.error):
                    raise DamagedError(f'coded member {self._member.number} cannot be inflated: {error}') from error
                raise
            return b''.join(parts)

    def _inflate(self, most: int) -> bytes:
        """The next bytes, at least one."""
        while True:
            stored = self._stream.unconsumed_tail or self._next_stored()
            piece: bytes = self._stream.decompress(stored, most)
            if piece:
                self._at += len(piece)
                self._crc = zlib.crc32(piece, self._crc)
                return piece
            if self._stream.eof or not (stored or self._stored_at < self._member.stored_bytes):
                raise DamagedError(f'coded member {self._member.number} ends after {self._at} bytes instead of {self._member.size}')

    def _next_stored(self) -> bytes:
        length = min(_PIECE_BYTES, self._member.stored_bytes - self._stored_at)
        stored = self._open_base().read(self._member.stored_offset + self._stored_at, length) if length else b''
        self._stored_at += length
        return stored

    def _check_end(self) -> None:
        """That the stream ends with the bytes of the member, stored and inflated, and that these have their sum."""
        while not self._stream.eof:
            stored = self._stream.unconsumed_tail or self._next_stored()
            if self._stream.decompress(stored, 1) or not stored:
                raise DamagedError(f'coded member {self._member.number} does not end after {self._member.size} bytes')
        if self._stream.unused_data or self._stored_at < self._member.stored_bytes:
            raise DamagedError(f'coded member {self._member.number} ends before its {self._member.stored_bytes} stored bytes')
        if self._is_checked and self._crc != self._member.sum:
            raise DamagedError(f'coded member {self._member.number}: its {self._member.size} bytes differ from the sum that the archive states')
