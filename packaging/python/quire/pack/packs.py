# SPDX-License-Identifier: Apache-2.0
"""quire.open(): a pack as a mapping of paths to bytes."""
from __future__ import annotations

import array
import dataclasses
import io
import os
import re
import stat as stat_module
from collections.abc import Iterator, Mapping, Sequence

from quire.errors import DamagedError, Error, SourceError, UnsupportedError
from quire.pack import sums
from quire.pack.block_tree import BlockCache
from quire.pack.content import Content, SampleFile
from quire.pack.layers import Layers
from quire.pack.s3 import S3Source
from quire.pack.sources import FileSource, KeptPieces, Source
from quire.pack.sums import Sum
from quire.pack.superblock import DATA_BEGIN, Superblock, choose
from quire.pack.tree import DIRECTORY, FILE, SEGMENTED, SYMLINK, Node, Tree
from quire.pack.volumes import Volumes
from quire.pack.web import UrlSource

# What `pack[path]` returns at most. A pack of kilobytes may hold a sample of 2^63 - 1 bytes, all of them a hole.
MAX_SAMPLE_BYTES = 256 << 20
_BUFFER_BYTES = 128 << 10
_MODES = {FILE: stat_module.S_IFREG, SEGMENTED: stat_module.S_IFREG, DIRECTORY: stat_module.S_IFDIR, SYMLINK: stat_module.S_IFLNK}

Path = str | bytes | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Stat:
    """What a pack keeps of an entry; the names are those of os.stat_result."""
    st_mode: int
    st_ino: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_mtime_ns: int

    @property
    def st_mtime(self) -> float:
        """Seconds since the Unix epoch."""
        return self.st_mtime_ns / 1e9


def _encode(path: Path) -> bytes:
    path = os.fspath(path)
    return path if isinstance(path, bytes) else path.encode('utf-8', 'surrogateescape')


def _decode(path: bytes) -> str:
    return path.decode('utf-8', 'surrogateescape')


class Pack(Mapping[str, bytes]):
    """One generation of a pack: `pack['train/n01440764/x.JPEG']` is the bytes of that sample.

    The keys are the paths of all regular files, in the order of their names, folder by folder; a name that is not UTF-8 has
    surrogates in it, as with os.fsdecode(). Paths may lead through symlinks inside the pack. What is not there is a KeyError here and
    a FileNotFoundError by the other methods; what is damaged or cannot be read is an Error that names it, and harms nothing else.

    Any thread may use it, and processes that were forked; it can be pickled, and is opened anew where it is unpickled."""

    def __init__(self, location: str, source: Source, options: Mapping[str, object]):
        """Use quire.open()."""
        self._location, self._source, self._options = location, source, dict(options)
        get_sum = sums.get_sum() if options['verify'] else None
        self._most_bytes = int(options['max_sample_bytes'])  # type: ignore[call-overload]
        try:
            self._layers = _open_layers(source, get_sum, options['generation'])  # type: ignore[arg-type]
            self.superblock: Superblock = self._layers.superblock
            self._tree = Tree(self._layers)
            self._volumes = Volumes(source, self._layers, get_sum, options['volumes'])  # type: ignore[arg-type]
            self._content = Content(self._layers, self._volumes, get_sum)
            self._root = self._tree.node(0)
            self._tree.children(self._root)
        except Error as error:
            source.close()
            raise self._explain('', error) from error
        self._count: int | None = None

    def __getitem__(self, path: Path) -> bytes:
        try:
            with self.open(path, buffering=0) as sample:
                return sample.read()  # type: ignore[return-value]  # never None: a SampleFile does not block
        except OSError:
            raise KeyError(path) from None

    def __iter__(self) -> Iterator[str]:
        for path, node in self._walk(b'', self._root):
            if self._tree.behind(node).kind in (FILE, SEGMENTED):
                yield _decode(path)

    def __len__(self) -> int:
        if self._count is None:
            # Hard links may be of symlinks, which are no samples.
            self._count = self.superblock.samples if self.superblock.hard_links == 0 else sum(1 for _ in self)
        return self._count

    def __contains__(self, path: object) -> bool:
        return isinstance(path, (str, bytes, os.PathLike)) and self.isfile(path)

    def __repr__(self) -> str:
        return f'<quire.Pack {self._location!r}, {self.superblock.samples} samples>'

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        return _open_again, (self._location, self._options | {'generation': self.superblock.generation}, self.superblock.root_sum)

    def close(self) -> None:
        """Gives up the files; reads fail from now on."""
        self._volumes.close()
        self._source.close()

    def open(self, path: Path, buffering: int = _BUFFER_BYTES) -> io.BufferedReader | SampleFile:
        """A sample as a binary file that can be read and sought, which needs about 2 MiB for one of any size."""
        node = self._find(path)
        if node.kind not in (FILE, SEGMENTED):
            raise IsADirectoryError(f'{_decode(_encode(path))!r} is no regular file')
        sample = SampleFile(self._content, node, self._most_bytes, lambda error: self._explain(path, error))
        return io.BufferedReader(sample, buffering) if buffering else sample

    def isfile(self, path: Path) -> bool:
        """Whether a path leads to a regular file."""
        node = self._look_up(path)
        return node is not None and node.kind in (FILE, SEGMENTED)

    def isdir(self, path: Path) -> bool:
        """Whether a path leads to a folder."""
        node = self._look_up(path)
        return node is not None and node.kind == DIRECTORY

    def listdir(self, path: Path = '') -> list[str]:
        """The names in a folder, sorted by their bytes."""
        node = self._find(path)
        if node.kind != DIRECTORY:
            raise NotADirectoryError(f'{_decode(_encode(path))!r} is no folder')
        try:
            return [_decode(self._tree.name(self._tree.child(node, place))) for place in self._tree.children(node)]
        except Error as error:
            raise self._explain(path, error) from error

    def walk(self, path: Path = '') -> Iterator[tuple[str, Stat]]:
        """All that lies below a folder, with its attributes: each folder before what it holds. Symlinks are shown, not followed."""
        node = self._find(path)
        if node.kind != DIRECTORY:
            raise NotADirectoryError(f'{_decode(_encode(path))!r} is no folder')
        prefix = b'/'.join(word for word in _encode(path).split(b'/') if word not in (b'', b'.'))
        for found, child in self._walk(prefix + b'/' if prefix else b'', node):
            yield _decode(found), self._stat(found, child)

    def stat(self, path: Path, follow_symlinks: bool = True) -> Stat:
        """Mode, owner, size and times."""
        node = self._look_up(path, follow_symlinks)
        if node is None:
            raise FileNotFoundError(f'the pack has no {_decode(_encode(path))!r}')
        return self._stat(path, node)

    def readlink(self, path: Path) -> str:
        """The target of a symlink, as it was packed."""
        node = self._find(path, follow=False)
        if node.kind != SYMLINK:
            raise OSError(f'{_decode(_encode(path))!r} is no symlink')
        return _decode(self._tree.target(node))

    def xattrs(self, path: Path) -> dict[str, bytes]:
        """The extended attributes of `user.`."""
        node = self._find(path)
        try:
            return self._tree.xattrs(node)
        except Error as error:
            raise self._explain(path, error) from error

    def generations(self) -> list[int]:
        """The generations that open(..., generation=N) can show, the oldest first: this one and those of which it consists."""
        return [layer.generation for layer in reversed(self._layers.below)] + [self.superblock.generation]

    def place(self, path: Path) -> tuple[int, int] | None:
        """(volume, page of 2 MiB) in which a sample begins: samples of one page are read at once. None where it has no bytes."""
        node = self._find(path)
        try:
            return self._content.place(node) if node.kind in (FILE, SEGMENTED) else None
        except Error as error:
            raise self._explain(path, error) from error

    def pages_by_node(self) -> array.array[int]:
        """For each node of the pack, which is its inode number in a mount less one: volume << 48 | page in which it begins, and 2^64 - 1 where
        it has no bytes of its own; a hard link has the inode of the node that it names. Reads the whole index, and takes 8 bytes for each
        node and each extent."""
        try:
            return self._content.pages_by_node()
        except Error as error:
            raise self._explain('', error) from error

    def _look_up(self, path: Path, follow: bool = True) -> Node | None:
        """The node that has the content of a path."""
        try:
            node = self._tree.resolve(_encode(path), follow)
            return None if node is None else self._tree.behind(node)
        except Error as error:
            raise self._explain(path, error) from error

    def _find(self, path: Path, follow: bool = True) -> Node:
        node = self._look_up(path, follow)
        if node is None:
            raise FileNotFoundError(f'the pack has no {_decode(_encode(path))!r}')
        return node

    def _walk(self, prefix: bytes, top: Node) -> Iterator[tuple[bytes, Node]]:
        try:
            yield from self._tree.walk(top, prefix)
        except Error as error:
            raise self._explain(prefix, error) from error

    def _stat(self, path: Path, node: Node) -> Stat:
        try:
            node = self._tree.behind(node)
            attributes = self._tree.attributes(node)
        except Error as error:
            raise self._explain(path, error) from error
        return Stat(_MODES[node.kind] | attributes.mode & 0o7777, node.number + 1, attributes.nlink, attributes.uid, attributes.gid,
                    node.size, node.mtime_ns)

    def _explain(self, path: Path, error: Error) -> Error:
        """The same error with the names of the pack and of what was asked for."""
        name = _decode(_encode(path))
        kind = next(kind for kind in (DamagedError, UnsupportedError, SourceError, Error) if isinstance(error, kind))
        return kind(f'{self._location}: {name!r}: {error}' if name else str(error) if self._location in str(error) else
                    f'{self._location}: {error}')


def _open_layers(source: Source, get_sum: Sum | None, generation: int | None) -> Layers:
    cache = BlockCache()
    newest = Layers(source, choose(source.read(0, min(DATA_BEGIN, source.size)), source.size, get_sum), get_sum, cache)
    if generation in (None, newest.superblock.generation):
        return newest
    for superblock in newest.below:
        if superblock.generation == generation:
            return Layers(source, superblock, get_sum, cache)
    known = ', '.join(str(superblock.generation) for superblock in (*reversed(newest.below), newest.superblock))
    raise Error(f'the pack has no generation {generation}; it has {known}')


def open(location: str | os.PathLike[str], *, verify: bool = True, headers: Mapping[str, str] | None = None,  # pylint: disable=redefined-builtin
         timeout_s: float = 60.0, max_sample_bytes: int = MAX_SAMPLE_BYTES, generation: int | None = None,
         volumes: Sequence[str | os.PathLike[str]] = ()) -> Pack:
    """Opens a pack by its path, or by http://, https:// or s3://, and shows the generation that is newest now.

    verify            compare all that is read with its sums; False returns bytes that nobody checked
    headers           go along with each request to the server of the URL (not to those that it redirects to)
    timeout_s         what one request may take at most
    max_sample_bytes  what `pack[path]` reads at most; larger samples are read in parts, by Pack.open()
    generation        an older one, by its number (`quire generations`, Pack.generations())
    volumes           files and folders that samples may lie in, for indexes (quire index, quire merge) whose archives or packs are
                      neither in the folder of the index nor below it

    Nothing is read but what is asked for: to open a pack takes its superblock and one block of its index. Of a URL one state is
    read, that of the first answer (its ETag, or else size and time); where the object is replaced, reads fail with a SourceError."""
    name = os.fspath(location)
    options = {'verify': verify, 'headers': headers, 'timeout_s': timeout_s, 'max_sample_bytes': max_sample_bytes, 'generation': generation,
               'volumes': tuple(volumes)}
    if re.match('[a-z][a-z0-9+.-]+://', name, re.IGNORECASE):
        is_s3 = name.lower().startswith('s3:')
        source: Source = KeptPieces(S3Source(name, timeout_s) if is_s3 else UrlSource(name, headers, timeout_s))
    else:
        source = FileSource(name)
    return Pack(name, source, options)


def _open_again(location: str, options: Mapping[str, object], root_sum: int) -> Pack:
    """The same pack in another process."""
    pack = open(location, **options)  # type: ignore[arg-type]
    if pack.superblock.root_sum != root_sum:
        pack.close()
        raise DamagedError(f'{location}: it is another pack than the one that was opened before')
    return pack
