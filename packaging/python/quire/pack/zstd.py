# SPDX-License-Identifier: Apache-2.0
"""Frames of Zstandard (RFC 8878), by what is installed of: Python's own module (3.14), its backport, the modules zstandard and pyzstd, the
library libzstd. What surrounds the blocks of a frame is checked here, so that no decoder is given more room than it needs, or a second frame."""
from __future__ import annotations

import ctypes
import importlib
import threading
from collections.abc import Callable
from typing import Any

from quire.errors import DamagedError, UnsupportedError

# Of a frame and a dictionary (b'' for none), the decoded bytes, `size` of them. Raises whatever it does where they are damaged.
Decoder = Callable[[bytes, bytes, int], bytes]

_MAGIC = b'\x28\xb5\x2f\xfd'
_MOST_WINDOW_LOG = 23  # what RFC 8878 recommends decoders to support; a frame as quire packs it has none of its own
_RAW, _RLE, _COMPRESSED = range(3)  # types of blocks
_LIBRARIES = ('libzstd.so.1', 'libzstd.1.dylib', 'libzstd.dylib', 'libzstd.dll', 'zstd.dll')
_MISSING = ('its samples are compressed, and nothing that decodes Zstandard is installed: install zstandard (python3-zstandard), or the library '
            'libzstd (libzstd1), or use Python 3.14; else mount the pack, or pack it without --compress (quire pack --from PACK -o OUT)')

_found: list[Decoder] = []
_lock = threading.Lock()  # of _found


def decode(frame: bytes, size: int, dictionary: bytes) -> bytes:
    """All of one frame, which must come to `size` bytes. An UnsupportedError where nothing can decode it."""
    _check_frame(frame, size)
    decoder = _get_decoder()
    try:
        decoded = decoder(frame, dictionary, size)
    except MemoryError:
        raise
    except Exception as error:  # pylint: disable=broad-exception-caught  # each decoder has its own
        raise DamagedError(f'a frame of {len(frame)} bytes cannot be decoded: {error}') from error
    if len(decoded) != size:
        raise DamagedError(f'a frame of {len(frame)} bytes comes to {len(decoded)} bytes instead of {size}')
    return decoded


def _check_frame(frame: bytes, size: int) -> None:
    """That it states `size`, needs no larger window, has neither a number of a dictionary nor a sum, and ends with its last block."""
    descriptor = frame[4] if len(frame) > 4 and frame[:4] == _MAGIC else 0
    is_single, size_code = descriptor >> 5 & 1, descriptor >> 6
    size_bytes = (is_single, 2, 4, 8)[size_code]
    at = 5 + (not is_single) + size_bytes
    stated = int.from_bytes(frame[at - size_bytes:at], 'little') + (256 if size_bytes == 2 else 0)
    # Bits 0 to 2: number of a dictionary, sum. Bit 3 is reserved.
    if descriptor == 0 or descriptor & 0b1111 or size_bytes == 0 or stated != size:
        raise DamagedError(f'{len(frame)} bytes are no frame of {size} bytes')
    if not is_single and frame[5] >> 3 > _MOST_WINDOW_LOG - 10:
        raise DamagedError(f'a frame of {size} bytes wants a window of 2^{10 + (frame[5] >> 3)} bytes')
    is_last = False
    while not is_last:
        header = int.from_bytes(frame[at:at + 3], 'little')
        is_last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
        if kind > _COMPRESSED or at + 3 > len(frame):
            raise DamagedError(f'a frame of {len(frame)} bytes has no block at {at}')
        at += 3 + (1 if kind == _RLE else length)
    if at != len(frame):
        raise DamagedError(f'a frame of {len(frame)} bytes ends at {at}')


def _get_decoder() -> Decoder:
    with _lock:
        if not _found:
            _found.append(_find_decoder())
        return _found[0]


def _find_decoder() -> Decoder:
    for name, make in (('compression.zstd', _of_python), ('backports.zstd', _of_python), ('zstandard', _of_zstandard), ('pyzstd', _of_python)):
        try:
            return make(importlib.import_module(name))
        except ImportError:
            pass
    for name in _LIBRARIES:
        try:
            return _of_library(ctypes.CDLL(name))
        except (OSError, AttributeError):
            pass
    raise UnsupportedError(_MISSING)


def _of_python(module: Any) -> Decoder:
    def decoder(frame: bytes, dictionary: bytes, size: int) -> bytes:
        stream = module.ZstdDecompressor(module.ZstdDict(dictionary) if dictionary else None)
        decoded = bytes(stream.decompress(frame, size + 1))
        if not stream.eof:
            raise ValueError('it does not end with its bytes')
        return decoded
    return decoder


def _of_zstandard(module: Any) -> Decoder:
    def decoder(frame: bytes, dictionary: bytes, size: int) -> bytes:
        known = module.ZstdCompressionDict(dictionary) if dictionary else None
        return bytes(module.ZstdDecompressor(dict_data=known).decompress(frame, max_output_size=size))
    return decoder


def _of_library(library: Any) -> Decoder:
    library.ZSTD_createDCtx.restype = ctypes.c_void_p
    library.ZSTD_freeDCtx.argtypes = [ctypes.c_void_p]
    decompress = library.ZSTD_decompress_usingDict
    decompress.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    decompress.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]

    def decoder(frame: bytes, dictionary: bytes, size: int) -> bytes:
        decoded = ctypes.create_string_buffer(size)
        context = library.ZSTD_createDCtx()
        if not context:
            raise MemoryError
        try:
            length = decompress(context, decoded, size, frame, len(frame), dictionary or None, len(dictionary))
        finally:
            library.ZSTD_freeDCtx(context)
        if library.ZSTD_isError(length):
            raise ValueError('libzstd finds it damaged')
        return decoded.raw[:length]
    return decoder
