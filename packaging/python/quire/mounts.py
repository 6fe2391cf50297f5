# SPDX-License-Identifier: Apache-2.0
"""Which mount of Quire a path lies in, and what its samples are called there."""
from __future__ import annotations

import os
import stat
from collections.abc import Iterable

Path = str | bytes | os.PathLike[str]

_PLAN = os.path.join('.quire', 'plan')  # in the root of a mount, fs/SEMANTICS.md, "Control files"


class Mount:
    """A mount, by its root as it is reached from the path that was asked about."""

    def __init__(self, root: str, inside: str):
        """`inside`: a folder that lies in it, which may be another way than `root`, through symlinks."""
        self.root = root
        self.plan_path = os.path.join(root, _PLAN)
        self._inside = inside
        self._folders: dict[str, str] = {}  # a folder of samples -> what stands before their names in the mount

    def names(self, paths: Iterable[Path]) -> list[str]:
        """Paths below the root, for paths from `inside` or from the system's root. Those outside of the mount stay as they are."""
        names = []
        folders = self._folders
        for path in paths:
            if not isinstance(path, str):
                path = os.fsdecode(path)
            folder, slash, name = path.rpartition('/')
            prefix = folders.get(folder + slash)
            if prefix is None:
                prefix = folders[folder + slash] = self._prefix(folder + slash)
            names.append(prefix + name)
        return names

    def _prefix(self, folder: str) -> str:
        whole = os.path.normpath(os.path.join(self._inside, folder))
        for root, path in ((self.root, whole), (os.path.realpath(self.root), os.path.realpath(whole))):
            if path == root:
                return ''
            if path.startswith(root.rstrip('/') + '/'):
                return path[len(root.rstrip('/')) + 1:] + '/'
        return folder


def find_mount(path: Path) -> Mount | None:
    """The mount of Quire that a file or folder lies in; None where it lies in none, or in that of another user, who keeps its
    control files to himself (mount option control=)."""
    inside = os.path.abspath(os.fsdecode(path))
    if not os.path.isdir(inside):
        inside = os.path.dirname(inside)
    for way in dict.fromkeys((inside, os.path.realpath(inside))):
        folder = way
        while True:
            if _is_pipe(os.path.join(folder, _PLAN)):
                return Mount(folder, inside)
            parent = os.path.dirname(folder)
            if parent == folder:
                break
            folder = parent
    return None


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False
