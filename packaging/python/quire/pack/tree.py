# SPDX-License-Identifier: Apache-2.0
"""The namespace of a pack, as "Nodes", "Directories" and "Attributes" of format/FORMAT.md define it. A tree, whatever its numbers say."""
from __future__ import annotations

import dataclasses
import struct
from collections import deque
from collections.abc import Iterator

from quire.errors import DamagedError, UnsupportedError
from quire.pack.layers import Layers
from quire.pack.superblock import ATTRIBUTES, DIRECTORIES, NAMES, NODES, XATTRS

FILE, SEGMENTED, DIRECTORY, SYMLINK, HARD_LINK, REFERENCE = range(1, 7)
_MOST_PATH_BYTES = 4095
_MOST_TARGET_BYTES = 4095
_MOST_LINKS = 40  # that one path is followed through, as by Linux
_MOST_XATTR_BYTES = 16 << 20
_EPOCH_NS = (1 << 31) * 10 ** 9  # what times count from lies so long before the Unix epoch
# A search passes by the records of 64 damaged blocks, of 2048 nodes each, and then gives up.
_MOST_PASSED = 64 * 2048
# Folders that were found to be sound, so that a look-up need not compare them with their neighbours again: some 10 MB.
_MOST_KNOWN = 65_536


@dataclasses.dataclass(frozen=True)
class Node:
    """One record of the nodes. `content` is what its kind says."""
    number: int
    mtime_ns: int  # since the Unix epoch
    size: int
    attributes: int
    name_offset: int
    name_bytes: int
    kind: int
    content: int


@dataclasses.dataclass(frozen=True)
class Attributes:
    """Permission bits, owner, links. Several nodes may share them."""
    mode: int
    uid: int
    gid: int
    nlink: int
    xattr_offset: int
    xattr_bytes: int


class Tree:
    """Reads nodes and finds them by their paths. Any thread may use it. What is not there is None; what cannot be read, a DamagedError."""

    def __init__(self, layers: Layers):
        self._layers = layers
        self._nodes = layers.count(NODES)
        self._directories = layers.count(DIRECTORIES)
        self._known: dict[int, range] = {}  # node of a folder -> its children; a dict needs no lock for what is done with it

    def node(self, number: int) -> Node:
        """As the newest layer that tells of it has it. Checks what a record says by itself."""
        node = self._place(number)
        replacing = self._layers.replacing(number)
        if replacing is not None:
            newer = _decode(number, replacing)
            if (newer.kind, newer.name_offset, newer.name_bytes) != (node.kind, node.name_offset, node.name_bytes):
                raise DamagedError(f'node {number} is replaced by another entry')
            node = newer
        if node.kind == REFERENCE:
            raise DamagedError(f'node {number} stands for node {node.content}, where one of its own is wanted')
        return node

    def _place(self, number: int) -> Node:
        """The record of that number, which may be a reference, and whose place and name no later layer changes."""
        node = _decode(number, self._layers.record(NODES, number))
        if not FILE <= node.kind <= REFERENCE:
            raise UnsupportedError(f'node {number} is of kind {node.kind}, which a newer release may know')
        if (node.name_bytes == 0) != (number == 0):
            raise DamagedError(f'node {number} has a name of {node.name_bytes} bytes')
        return node

    def name(self, node: Node) -> bytes:
        name = self._layers.text(NAMES, node.name_offset, node.name_bytes)
        if b'/' in name or b'\0' in name or name in (b'.', b'..'):
            raise DamagedError(f'node {node.number} has the name {name!r}, which none can have')
        return name

    def target(self, node: Node) -> bytes:
        """REQUIRES: the node is a symlink."""
        if not 1 <= node.size <= _MOST_TARGET_BYTES:
            raise DamagedError(f'node {node.number} is a symlink with a target of {node.size} bytes')
        return self._layers.text(NAMES, node.content, node.size)

    def behind(self, node: Node) -> Node:
        """The node that has the content: another one where this is a hard link."""
        if node.kind != HARD_LINK:
            return node
        if node.content >= node.number:
            raise DamagedError(f'node {node.number} is a hard link to node {node.content}, which is no earlier one')
        other = self.node(node.content)
        if other.kind not in (FILE, SEGMENTED, SYMLINK):
            raise DamagedError(f'node {node.number} is a hard link to node {node.content}, of kind {other.kind}')
        return other

    def attributes(self, node: Node) -> Attributes:
        return Attributes(*struct.unpack_from('<4IQI', self._layers.record(ATTRIBUTES, node.attributes)))

    def xattrs(self, node: Node) -> dict[str, bytes]:
        """Those of `user.`, as others could grant what nobody asked for."""
        attributes = self.attributes(node)
        if attributes.xattr_bytes > _MOST_XATTR_BYTES:
            raise DamagedError(f'attributes {node.attributes} have a list of {attributes.xattr_bytes} bytes')
        text = self._layers.text(XATTRS, attributes.xattr_offset, attributes.xattr_bytes) if attributes.xattr_bytes else b''
        found, at = {}, 0
        while at < len(text):
            name_at = at + 5
            value_at = name_at + text[at]
            end = value_at + int.from_bytes(text[at + 1:name_at], 'little')
            if end > len(text) or text[at] == 0:
                raise DamagedError(f'attributes {node.attributes} have a list that ends in the middle of an entry')
            if text[name_at:value_at].startswith(b'user.'):
                found[text[name_at:value_at].decode('utf-8', 'surrogateescape')] = text[value_at:end]
            at = end
        return found

    def children(self, node: Node) -> range:
        """The numbers of a directory's entries. REQUIRES: the node is a directory."""
        known = self._known.get(node.number)
        if known is None:
            known = self._check_children(node)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[node.number] = known
        return known

    def _check_children(self, node: Node) -> range:
        first, count, owner = self._directory(node.content)
        begin = 1
        if node.content > 0:
            before, before_count, _ = self._directory(node.content - 1)
            begin = before + before_count
        if owner != node.number or first != begin or first <= node.number or count > self._nodes or first + count > self._nodes:
            raise DamagedError(f'directory {node.content} of node {node.number} does not fit its neighbours')
        for child in {first, first + count - 1} if count else ():
            if self._directory_of(child) != node.content:
                raise DamagedError(f'directory {node.content} shares node {child} with another')
        return range(first, first + count)

    def child(self, folder: Node, place: int) -> Node:
        """The entry that stands at one of `children(folder)`."""
        if not self._layers.has_references(place):
            return self.node(place)
        reference = self._place(place)
        if reference.kind != REFERENCE:
            return self.node(place)
        node = self._referred(folder, reference)
        if node.kind == DIRECTORY:
            # One that was listed twice would be in two places, and all that it holds.
            found = self._find_place(folder, self.name(node))
            if found is None or found.number != place:
                raise DamagedError(f'node {place} stands for directory {node.number}, as another entry of its directory does')
        return node

    def find(self, folder: Node, name: bytes) -> Node | None:
        """The entry of that name. Goes around damage; raises where the entry may stand in it."""
        found = self._find_place(folder, name)
        if found is None:
            return None
        return self._referred(folder, found) if found.kind == REFERENCE else self.node(found.number)

    def _referred(self, folder: Node, reference: Node) -> Node:
        """What a reference among the entries of a folder stands for: an older entry of the same folder, by the rules of FORMAT.md."""
        number = reference.content
        if not folder.number < number < self._layers.first_node_of_layer(reference.number):
            raise DamagedError(f'node {reference.number} stands for node {number}, which is in no layer below')
        node = self.node(number)
        if (node.name_offset, node.name_bytes) != (reference.name_offset, reference.name_bytes):
            raise DamagedError(f'node {reference.number} stands for node {number}, which has another name')
        first, count, owner = self._directory(self._directory_of(number))
        if owner != folder.number or not first <= number < first + count:
            raise DamagedError(f'node {reference.number} stands for node {number}, which was no entry of node {folder.number}')
        return node

    def _find_place(self, folder: Node, name: bytes) -> Node | None:
        """The record of that name among the entries of a folder, which may be a reference."""
        children = self.children(folder)
        low, high = children.start, children.stop
        passed, fault = 0, None  # what cannot be read among those that may be it
        while low < high:
            middle = (low + high) // 2
            at, gap, found = middle, None, None
            while at < high and found is None:
                try:
                    node = self._place(at)
                    found = self.name(node)
                except DamagedError as error:
                    gap, passed, at = gap or error, passed + 1, at + 1
                    if passed > _MOST_PASSED:
                        raise
            if found is None:
                high, fault = middle, fault or gap
            elif found == name:
                return node
            elif found < name:
                low = at + 1
            else:
                high, fault = middle, gap
        if fault is not None:
            raise fault
        return None

    def walk(self, top: Node, prefix: bytes = b'') -> Iterator[tuple[bytes, Node]]:
        """All entries below a directory with their paths, each directory before what it holds, names in order."""
        stack = [(prefix, top, iter(self.children(top)))]
        while stack:
            prefix, folder, places = stack[-1]
            place = next(places, None)
            if place is None:
                stack.pop()
                continue
            node = self.child(folder, place)
            path = prefix + self.name(node)
            if len(path) > _MOST_PATH_BYTES:
                raise DamagedError(f'node {node.number} has a path of more than {_MOST_PATH_BYTES} bytes')
            yield path, node
            if node.kind == DIRECTORY:
                stack.append((path + b'/', node, iter(self.children(node))))

    def resolve(self, path: bytes, follow: bool = True) -> Node | None:
        """The node of a path from the root. Symlinks on the way are followed inside the pack, and at its end where `follow` says so."""
        missing = deque(path.split(b'/'))
        way = [self.node(0)]
        if way[0].kind != DIRECTORY:
            raise DamagedError('the root is no directory')
        links = 0
        while missing:
            word = missing.popleft()
            if word in (b'', b'.'):
                continue
            if way[-1].kind != DIRECTORY:
                return None
            if word == b'..':
                if len(way) == 1:
                    return None  # out of the pack
                way.pop()
                continue
            node = self.find(way[-1], word)
            if node is None:
                return None
            content = self.behind(node)
            if content.kind == SYMLINK and (follow or any(missing)):
                links += 1
                target = self.target(content)
                if links > _MOST_LINKS or target.startswith(b'/'):
                    return None
                missing.extendleft(reversed(target.split(b'/')))
                continue
            way.append(node)
        return way[-1]

    def _directory(self, number: int) -> tuple[int, int, int]:
        first, count, node = struct.unpack('<3Q', self._layers.record(DIRECTORIES, number))
        return first, count, node

    def _directory_of(self, child: int) -> int:
        """The last directory whose children begin at or before a node."""
        low, high = 0, self._directories
        while high - low > 1:
            middle = (low + high) // 2
            if self._directory(middle)[0] <= child:
                low = middle
            else:
                high = middle
        return low


def _decode(number: int, record: bytes) -> Node:
    mtime, size, attributes = struct.unpack_from('<QQI', record)
    return Node(number, mtime - _EPOCH_NS, size, attributes, int.from_bytes(record[20:25], 'little'), record[25], record[26],
                int.from_bytes(record[27:32], 'little'))
