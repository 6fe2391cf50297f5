# SPDX-License-Identifier: Apache-2.0
"""Warnings that a process gives once, however often their cause is met."""
from __future__ import annotations

import threading
import warnings

_given: set[str] = set()
_lock = threading.Lock()


def warn_once(text: str) -> None:
    """Warns of `text` as a RuntimeWarning, unless this process has done so."""
    with _lock:
        if text in _given:
            return
        _given.add(text)
    warnings.warn(f'quire: {text}', RuntimeWarning, stacklevel=3)
