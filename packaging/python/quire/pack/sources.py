# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a pack come from: a file here, a server by web.py."""
from __future__ import annotations

import abc
import os
import threading
from collections import OrderedDict

from quire.errors import SourceError

# Of a server are read pieces of 1 MiB, which at 100 MB/s and 10 ms takes twice as long as a byte, and the 32 last ones are kept:
# those of the index that a look-up touches are among them.
_PIECE_BYTES, _KEPT_PIECES = 1 << 20, 32


class Source(abc.ABC):
    """Bytes that do not change, of a known size. Any thread may read."""

    name: str  # for messages
    size: int  # bytes

    @abc.abstractmethod
    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, or a SourceError. REQUIRES: they lie within `size`."""

    def forget(self, offset: int, length: int) -> None:
        """The bytes were wrong: to read them again is to fetch them again."""

    def confirm(self) -> None:
        """What was read until now is of the state that the index was made of; else a SourceError. For bytes that have no sum."""

    def close(self) -> None:
        """Reads fail from now on."""


class FileSource(Source):
    """A file, or a block device where the system tells its size by seeking."""

    def __init__(self, path: str | os.PathLike[str], descriptor: int | None = None):
        """`descriptor`: of the file where it is open already; it is taken over."""
        self.name = os.fspath(path)
        try:
            # close() closes it
            self._file = open(path if descriptor is None else descriptor, 'rb', buffering=0)  # pylint: disable=consider-using-with
            self.size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise SourceError(f'{self.name}: {error.strerror}') from error
        self._turn = threading.Lock()  # of the file's position, where there is no pread

    def read(self, offset: int, length: int) -> bytes:
        parts, missing = [], length
        try:
            while missing > 0:
                part = self._read_some(offset + length - missing, missing)
                if not part:
                    raise SourceError(f'{self.name}: ends at byte {offset + length - missing}: it was cut off since it was opened')
                parts.append(part)
                missing -= len(part)
        except (OSError, ValueError) as error:
            raise SourceError(f'{self.name}: {error}') from error
        return parts[0] if len(parts) == 1 else b''.join(parts)

    def _read_some(self, offset: int, length: int) -> bytes:
        # A fork shares the position of the file with its parent, so it is not used where that can be had.
        if hasattr(os, 'pread'):
            return os.pread(self._file.fileno(), length, offset)
        with self._turn:
            self._file.seek(offset)
            return self._file.read(length)

    def status(self) -> os.stat_result:
        try:
            return os.fstat(self._file.fileno())
        except (OSError, ValueError) as error:
            raise SourceError(f'{self.name}: {error}') from error

    def close(self) -> None:
        self._file.close()


class KeptPieces(Source):
    """A source that is far away, read in aligned pieces, the last ones of which are kept."""

    def __init__(self, far: Source):
        self._far = far
        self.name, self.size = far.name, far.size
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()  # of _pieces; not held while something is fetched

    def read(self, offset: int, length: int) -> bytes:
        if length == 0:
            return b''
        parts = []
        for number in range(offset // _PIECE_BYTES, (offset + length - 1) // _PIECE_BYTES + 1):
            begin = number * _PIECE_BYTES
            parts.append(self._piece(number)[max(offset - begin, 0):offset + length - begin])
        return b''.join(parts)

    def _piece(self, number: int) -> bytes:
        with self._lock:
            found = self._pieces.get(number)
            if found is not None:
                self._pieces.move_to_end(number)
                return found
        begin = number * _PIECE_BYTES
        fetched = self._far.read(begin, min(_PIECE_BYTES, self.size - begin))
        with self._lock:
            self._pieces[number] = fetched
            while len(self._pieces) > _KEPT_PIECES:
                self._pieces.popitem(last=False)
        return fetched

    def forget(self, offset: int, length: int) -> None:
        with self._lock:
            for number in range(offset // _PIECE_BYTES, (offset + length) // _PIECE_BYTES + 1):
                self._pieces.pop(number, None)
        self._far.forget(offset, length)

    def close(self) -> None:
        self._far.close()
