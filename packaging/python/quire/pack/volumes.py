# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of samples lie, as "Volumes" of format/FORMAT.md says: the pack, files beside it, and what is decoded of either."""
from __future__ import annotations

import dataclasses
import os
import stat
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable

from quire.errors import DamagedError, Error, SourceError, UnsupportedError
from quire.pack.decoding import DecodedSource, KeptMembers
from quire.pack.layers import Layers
from quire.pack.sources import FileSource, Source
from quire.pack.sums import Sum
from quire.pack.superblock import DATA_BEGIN, DICTIONARIES, LIMIT_BYTES, NAMES, VOLUMES

PAGE_BYTES, FRAME_BYTES = 2 << 20, 256 << 10
NO_SUMS, CRC_32, XXH3_64 = range(3)
_THIS_PACK, _FILE, _URL, _DECODED = range(4)
_KINDS = {_URL: 'a URL'}
_NO_IDENTITY, _SIZE_AND_MTIME = range(2)
_MOST_LOCATION_BYTES = 4095
_EPOCH_NS = (1 << 31) * 10 ** 9
# Files that are open at once: of an index of more shards than that, the one that was not read for longest is closed.
_MOST_OPEN = 256


@dataclasses.dataclass(frozen=True)
class Record:
    """What the index says of a volume."""
    kind: int
    identity_kind: int
    sum_kind: int
    base: int
    location_bytes: int
    frame_bytes: int
    location_offset: int
    data_begin: int
    data_end: int
    identity: tuple[int, int]

    @property
    def is_framed(self) -> bool:
        """Whether it is compressed samples."""
        return self.kind == _DECODED and self.frame_bytes > 0

    @property
    def most_bytes(self) -> int:
        """Of an extent, none of which crosses a multiple of that."""
        return FRAME_BYTES if self.is_framed else PAGE_BYTES


class Volumes:
    """The volumes of a pack, each of which is opened when it is first read. Any thread may use it."""

    def __init__(self, pack: Source, layers: Layers, get_sum: Sum | None, places: Iterable[str | os.PathLike[str]]):
        """`places`: files and folders that volumes may lie in, beside the folder of the pack."""
        self._pack, self._layers, self._get_sum = pack, layers, get_sum
        self._places = [os.path.realpath(place) for place in places]
        self._records: dict[int, Record] = {}  # a dict needs no lock for what is done with it, here and below
        self._decoded: dict[int, DecodedSource] = {}
        self._kept = KeptMembers()
        self._open: OrderedDict[int, Source] = OrderedDict()
        self._is_closed = False
        self._lock = threading.Lock()  # of _open and _is_closed; not held while something is opened

    def record(self, number: int) -> Record:
        """What the index says, as far as it can be true."""
        found = self._records.get(number)
        if found is None:
            found = self._records[number] = self._check(number, self._layers.record(VOLUMES, number))
        return found

    def source(self, number: int) -> Source:
        """The bytes of a volume. An Error where they cannot be had."""
        record = self.record(number)
        if record.kind == _THIS_PACK:
            return self._pack
        if record.kind == _DECODED:
            if number not in self._decoded:
                base = self.record(record.base)
                self._decoded[number] = DecodedSource(self._layers, number, record, base, lambda: self.source(record.base), self._get_sum,
                                                     self._kept)
            return self._decoded[number]
        with self._lock:
            if number in self._open:
                self._open.move_to_end(number)
                return self._open[number]
        opened = self._open_file(number, record)
        with self._lock:
            if self._is_closed:
                opened.close()
            self._open[number] = opened
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)  # closed by the last thread that reads it
        return opened

    def close(self) -> None:
        """Gives up the files. The pack stays as it is."""
        with self._lock:
            self._is_closed = True
            for opened in self._open.values():
                opened.close()

    def _check(self, number: int, text: bytes) -> Record:
        fields = struct.unpack('<4H2I5Q8x', text)
        record = Record(*fields[:-2], fields[-2:])
        if not record.data_begin <= record.data_end <= LIMIT_BYTES:
            raise DamagedError(f'volume {number} has bytes {record.data_begin} to {record.data_end}')
        has_dictionaries = self._layers.count(DICTIONARIES) > 0
        if number == 0:
            begins_well = record.data_begin == DATA_BEGIN or (has_dictionaries and record.data_begin > DATA_BEGIN)
            if record.kind != _THIS_PACK or not begins_well or record.data_end > self._layers.superblock.index_offset:
                raise DamagedError(f'volume 0, of kind {record.kind}, with bytes {record.data_begin} to {record.data_end}, is not this pack')
        elif record.kind == _THIS_PACK:
            raise DamagedError(f'volume {number} is this pack once more')
        if record.sum_kind > XXH3_64 or (number == 0 and record.sum_kind != XXH3_64):
            raise UnsupportedError(f'volume {number} has sums of kind {record.sum_kind}, which a newer release may know')
        if record.kind == _DECODED:
            self._check_decoded(number, record, has_dictionaries)
        return record

    def _check_decoded(self, number: int, record: Record, has_dictionaries: bool) -> None:
        if record.base >= number or self.record(record.base).kind == _DECODED:
            raise DamagedError(f'volume {number} is decoded from volume {record.base}, which cannot be')
        if record.frame_bytes not in (0, FRAME_BYTES):
            raise UnsupportedError(f'volume {number} has frames of {record.frame_bytes} bytes, which a newer release may know')
        if record.sum_kind == NO_SUMS or (record.is_framed and (record.sum_kind != XXH3_64 or not has_dictionaries)):
            raise DamagedError(f'volume {number} is decoded, and has no sums or no dictionaries')
        if record.base == 0 and not record.is_framed:
            raise DamagedError(f'volume {number} is decoded from the pack itself, and has no frames')

    def _open_file(self, number: int, record: Record) -> Source:
        if record.kind != _FILE:
            raise UnsupportedError(f'the sample lies in {_KINDS.get(record.kind, f"a volume of kind {record.kind}")}, which this release does not read: '
                                   'make a pack of it (quire pack --from)')
        if record.identity_kind not in (_NO_IDENTITY, _SIZE_AND_MTIME):
            raise UnsupportedError(f'volume {number} has an identity of kind {record.identity_kind}, which this release does not compare')
        if record.location_bytes > _MOST_LOCATION_BYTES:
            raise DamagedError(f'volume {number} has a location of {record.location_bytes} bytes')
        location = self._layers.text(NAMES, record.location_offset, record.location_bytes)
        if b'\0' in location or not location:
            raise DamagedError(f'volume {number} has a location that is none')
        if not isinstance(self._pack, FileSource):
            raise SourceError(f'the sample lies in the file {os.fsdecode(location)!r} beside the pack, which was not opened as a file: '
                              'get both, or make a pack of them (quire pack --from)')
        opened = _open_in(os.path.dirname(os.path.realpath(self._pack.name)), location, self._places)
        volume = VolumeFile(opened, record)
        try:
            volume.confirm()
        except Error:
            volume.close()
            raise
        return volume


class VolumeFile(FileSource):
    """A file that was indexed, in the state that it then had. Takes over the descriptor."""

    def __init__(self, opened: tuple[str, int], record: Record):
        super().__init__(*opened)
        self._record = record

    def confirm(self) -> None:
        found = self.status()
        if self._record.identity_kind == _SIZE_AND_MTIME and self._record.identity != (found.st_size, found.st_mtime_ns + _EPOCH_NS):
            raise SourceError(f'{self.name!r} has changed since it was indexed: make the index again')
        if self._record.data_end > found.st_size:
            raise SourceError(f'{self.name!r} has {found.st_size} bytes, and the index names {self._record.data_end}')

    def __del__(self) -> None:
        self.close()


def _lies_in(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip(os.sep) + os.sep) for place in places)


def _open_in(folder: str, location: bytes, places: Iterable[str]) -> tuple[str, int]:
    """The name and a descriptor of a regular file, which lies in the folder or in one of the places. A pack is made by anybody, and is not to
    have other files read, devices opened or FIFOs waited for."""
    path = os.path.normpath(os.path.join(folder, os.fsdecode(location)))
    permitted = [folder, *places]
    try:
        # By its words first: of what lies elsewhere nobody is asked even whether it is there.
        real = os.path.realpath(path, strict=True) if _lies_in(path, permitted) else ''
        if not _lies_in(real, permitted):
            raise SourceError(f'{path!r} lies in no place that this pack may read: name it, or its folder, by quire.open(..., volumes=[...])')
        before = os.stat(real)
        if not stat.S_ISREG(before.st_mode):
            raise DamagedError(f'{path!r} is no regular file')
        opened = os.open(real, os.O_RDONLY | getattr(os, 'O_NOFOLLOW', 0) | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0))
    except FileNotFoundError as error:
        raise SourceError(f'{path!r} is not there: move it back, or make the index again') from error
    except OSError as error:
        raise SourceError(f'{path!r}: {error.strerror}') from error
    if not os.path.samestat(before, os.fstat(opened)):
        os.close(opened)
        raise SourceError(f'{path!r} was replaced while it was opened')
    return path, opened
