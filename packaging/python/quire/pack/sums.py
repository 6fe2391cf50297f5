# SPDX-License-Identifier: Apache-2.0
"""The sums of packs: by the module xxhash where it is installed (gigabytes a second), else by xxh3.py, which is slow and said once."""
from __future__ import annotations

from collections.abc import Callable

from quire import notices
from quire.pack import xxh3

Sum = Callable[[bytes], int]

_SLOW = ('the module xxhash is not installed, so sums of packs are computed in Python, at some 25 MB/s: install xxhash '
         '(python3-xxhash), or open packs with verify=False, which returns bytes that nobody checked')


def get_sum() -> Sum:
    """The quickest XXH3-64 that is there."""
    try:
        from xxhash import xxh3_64_intdigest  # pylint: disable=import-outside-toplevel  # looked for whenever a pack is opened
    except ImportError:
        notices.warn_once(_SLOW)
        return xxh3.xxh3_64
    return xxh3_64_intdigest
