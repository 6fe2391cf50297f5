# SPDX-License-Identifier: Apache-2.0
"""A pack as a file system of fsspec, for pandas, pyarrow, dask and all others that take its URLs.

    fsspec.filesystem('quire', fo='x.quire').ls('train')
    pandas.read_csv('quire://tables/a.csv', storage_options={'fo': 'https://data.example/x.quire'})

Where the package is installed, fsspec finds the protocol by its entry point; in a checkout register() tells it."""
from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from quire.pack import packs

_TYPES = {stat.S_IFDIR: 'directory', stat.S_IFLNK: 'link', stat.S_IFREG: 'file'}


class QuireFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Read-only. `fo` is the path or URL of a pack, or a quire.Pack; `pack_options` are those of quire.open()."""

    protocol = 'quire'
    root_marker = ''
    cachable = False  # the instances: two packs may have one name, one after the other

    def __init__(self, fo: str | os.PathLike[str] | packs.Pack, pack_options: Mapping[str, Any] | None = None, **storage_options: Any):
        super().__init__(**storage_options)
        self.pack = fo if isinstance(fo, packs.Pack) else packs.open(fo, **(pack_options or {}))

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path)).strip('/')

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if self.pack.isdir(path):
            prefix = path + '/' if path else ''
            entries = [self._info(prefix + name) for name in self.pack.listdir(path)]
        else:
            entries = [self._info(path)]
        return entries if detail else [entry['name'] for entry in entries]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return self._info(self._strip_protocol(path))

    def _info(self, path: str) -> dict[str, Any]:
        found = self.pack.stat(path, follow_symlinks=False)
        kind = _TYPES[stat.S_IFMT(found.st_mode)]
        entry = {'name': path, 'size': found.st_size, 'type': kind, 'mode': found.st_mode, 'mtime': found.st_mtime, 'ino': found.st_ino,
                 'uid': found.st_uid, 'gid': found.st_gid, 'nlink': found.st_nlink}
        if kind == 'link':
            entry |= {'islink': True, 'destination': self.pack.readlink(path)}
            if self.pack.isfile(path) or self.pack.isdir(path):
                behind = self.pack.stat(path)
                entry |= {'size': behind.st_size, 'type': _TYPES[stat.S_IFMT(behind.st_mode)]}
        return entry

    def _open(self, path: str, mode: str = 'rb', **_: Any) -> Any:
        if mode != 'rb':
            raise OSError(f'packs are read-only: {path!r} cannot be opened with mode {mode!r}')
        return self.pack.open(path)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        with self.pack.open(self._strip_protocol(path)) as sample:
            size = self.info(path)['size']
            begin = 0 if start is None else start if start >= 0 else max(size + start, 0)
            stop = size if end is None else end if end >= 0 else size + end
            sample.seek(begin)
            return sample.read(max(stop - begin, 0)) or b''


def register() -> None:
    """Tells fsspec of the protocol quire://, where the package is not installed."""
    fsspec.register_implementation('quire', QuireFileSystem, clobber=True)
