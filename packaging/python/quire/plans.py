# SPDX-License-Identifier: Apache-2.0
"""Telling a mount the order of the samples to come: fs/PLANS.md says what a mount makes of it.

Whatever goes wrong here costs time and never a byte: the mount serves what is read, planned or not."""
from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator

from quire import notices
from quire.errors import Error
from quire.mounts import Mount, Path, find_mount

# Of a pipe only writes of PIPE_BUF bytes stay in one piece where several processes write. The longest path fits, with its NUL.
_PIECE_BYTES = 4096
_NAMES_AT_ONCE = 4096  # encoded together; some 300 KB
_MOST_TOLD = 8_388_608  # what a mount follows of a plan

_open_plans: weakref.WeakSet[Plan] = weakref.WeakSet()


def _cut(names: bytes) -> Iterator[bytes]:
    """Whole names, each ended by NUL, as many as a write takes in one piece."""
    at = 0
    while at < len(names):
        end = names.rfind(b'\0', at, at + _PIECE_BYTES) + 1
        if end == 0:
            raise Error('a path is longer than the 4095 bytes that a pack can hold')
        yield names[at:end]
        at = end


class Plan:
    """The order of the samples that will be read from a mount, told while it is open.

        with quire.Plan('/mnt/imagenet') as plan:
            for epoch in orders:
                plan.append(epoch)

    `where` is the root of a mount, or a folder in it; paths that do not begin with a slash are names below that folder. What is
    appended follows what was told before, by this object or any other, now or earlier: epochs are told one after the other, each as it
    begins or before. Nothing that was told can be taken back, and need not be: where readers go another way, the mount forgets the plan
    after 256 reads. A process that continues in the middle of an epoch tells the rest of it.

    append() waits while the mount takes the names in (about a second for a million), never for readers. One thread at a time may
    append; several objects and processes may, each name stays whole, and the mount follows them in the order in which they came, give or
    take 4096 samples. Forked children do not have the plan."""

    def __init__(self, where: Path | Mount):
        mount = where if isinstance(where, Mount) else find_mount(where)
        if mount is None:
            raise Error(f'{os.fsdecode(where)!r} lies in no mount of Quire, or in one whose control files '  # type: ignore[arg-type]
                        'are for another user (mount option control=all)')
        self._mount = mount
        try:
            self._pipe = os.open(mount.plan_path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Error(f'{mount.plan_path}: no plan can be told: {error.strerror}') from error
        _open_plans.add(self)

    def append(self, paths: Iterable[Path]) -> int:
        """Tells what comes next, and returns how many samples that were. An empty path or one that names no sample is passed over."""
        told = 0
        rest = iter(paths)
        while names := self._mount.names(itertools.islice(rest, _NAMES_AT_ONCE)):
            for piece in _cut(('\0'.join(names) + '\0').encode('utf-8', 'surrogateescape')):
                self._write(piece)
            told += len(names)
        return told

    def _write(self, piece: bytes) -> None:
        if self._pipe < 0:
            raise Error('this plan was closed')
        try:
            while piece:
                piece = piece[os.write(self._pipe, piece):]
        except OSError as error:
            raise Error(f'{self._mount.plan_path}: the plan was not taken: {error.strerror}') from error

    def close(self) -> None:
        """Ends the plan: the mount knows that no more is to come."""
        pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, '_pipe', -1) >= 0:
            self.close()


def _close_in_child() -> None:
    # A worker that held the pipe would keep the plan from ending, and the mount busy.
    for held in list(_open_plans):
        held.close()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_close_in_child)


def plan(where: Path, paths: Iterable[Path], start: int = 0) -> int:
    """Tells the mount of `where` that these samples will be read in this order, from number `start` on; returns how many were told.

    For an epoch that goes on where it was stopped, `start` is the number of samples that were read."""
    with Plan(where) as told:
        return told.append(itertools.islice(paths, start, None))


class Teller:
    """Tells a plan from a thread of its own, so that the first batch need not wait for the last name. Of one thread.

    What goes wrong is warned of once; nothing is raised. `before` is the one of the last epoch, which nobody needs any more: it is stopped, and its
    last names are told before the first ones of this."""

    def __init__(self, mount: Mount, before: Teller | None = None):
        if before is not None:
            before.stop()
        self._mount, self._before = mount, before
        self._waiting: deque[Iterable[Path]] = deque()
        self._is_closed = self._is_stopped = False
        self._changed = threading.Condition()  # of the three above
        self._thread = threading.Thread(target=self._run, name='quire-plan', daemon=True)
        self._thread.start()

    def append(self, paths: Iterable[Path]) -> None:
        """`paths` is gone through by the other thread."""
        with self._changed:
            self._waiting.append(paths)
            self._changed.notify()

    def close(self) -> None:
        """What was appended is still told, as far as a mount follows a plan."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def stop(self) -> None:
        """What is not told yet is left out."""
        with self._changed:
            self._is_closed = self._is_stopped = True
            self._waiting.clear()
            self._changed.notify()

    def join(self, seconds: float | None = None) -> bool:
        """Waits until all is told. REQUIRES: it was closed. Whether it was within that time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            before.join()
        try:
            with Plan(self._mount) as told:
                while (paths := self._next()) is not None:
                    told.append(itertools.takewhile(lambda _: not self._is_stopped, itertools.islice(paths, _MOST_TOLD)))
        except Exception as error:  # pylint: disable=broad-exception-caught  # of iterators that others wrote: no plan is worth a training run
            text = str(error) if isinstance(error, Error) else repr(error)
            notices.warn_once(f'{text}: samples are read without a plan')

    def _next(self) -> Iterable[Path] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return self._waiting.popleft() if self._waiting else None
