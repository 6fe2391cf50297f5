# SPDX-License-Identifier: Apache-2.0
"""What quire.open() must show of a tree, and packs whose numbers lie in any layer of their index, for tests of the Python package."""
import os
import pathlib
import stat
import struct

from quire.pack import superblock as blocks
from quire.pack.superblock import SLOT_BYTES
from quire.pack.xxh3 import xxh3_64

SECTIONS_AT, SUM_AT = 192, 4088


def contents(tree):
    """What a mapping of the tree must be."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
    return {os.path.relpath(path, tree): pathlib.Path(path).read_bytes() for path in paths if not os.path.islink(path)}


def assert_shows(opened, tree):
    """All of a tree: paths, bytes, attributes, links."""
    __tracebackhide__ = True
    whole = contents(tree)
    assert sorted(opened) == sorted(whole) and len(opened) == len(whole)
    for path, expected in whole.items():
        assert opened[path] == expected, path
    walked = dict(opened.walk())
    assert sorted(walked) == sorted(os.path.relpath(os.path.join(folder, name), tree)
                                    for folder, folders, files in os.walk(tree) for name in folders + files)
    for path, found in walked.items():
        there = os.path.join(tree, path)
        expected = os.lstat(there)
        assert (found.st_mode, found.st_uid, found.st_gid) == (expected.st_mode, expected.st_uid, expected.st_gid), path
        assert found.st_mtime_ns == expected.st_mtime_ns and (stat.S_ISDIR(found.st_mode) or found.st_size == expected.st_size), path
        if stat.S_ISLNK(found.st_mode):
            assert opened.readlink(path) == os.readlink(there)
            continue
        assert opened.stat(path) == found
        names = [name for name in os.listxattr(there) if name.startswith('user.')]
        assert opened.xattrs(path) == {name: os.getxattr(there, name) for name in names}
        if stat.S_ISDIR(found.st_mode):
            assert opened.listdir(path) == sorted(os.listdir(there), key=os.fsencode)


class Forgery:
    """The bytes of a whole pack, of which numbers in the newest layer are changed and all sums made good again."""

    def __init__(self, data):
        self.data = bytearray(data)
        slots = [number for number in range(2) if any(self.data[number * SLOT_BYTES:(number + 1) * SLOT_BYTES])]
        self.slot = SLOT_BYTES * max(slots, key=lambda number: struct.unpack_from('<Q', self.data, number * SLOT_BYTES + 24))
        self.index_at, self.body_bytes, self.index_bytes = struct.unpack_from('<3Q', self.data, self.slot + 32)
        count, = struct.unpack_from('<I', self.data, self.slot + 20)
        self.sections = {}
        for number in range(count):
            kind, _, record_bytes, _, at, length = struct.unpack_from('<4I2Q', self.data, self.slot + SECTIONS_AT + 32 * number)
            self.sections[kind] = (self.index_at + at, length // record_bytes, record_bytes)

    def count(self, section):
        return self.sections[section][1] if section in self.sections else 0

    def set(self, section, record, at, size, value):
        begin, _, record_bytes = self.sections[section]
        place = begin + record * record_bytes + at
        self.data[place:place + size] = value.to_bytes(size, 'little')
        return self

    def bytes(self):
        """With good sums."""
        covered = (0, self.body_bytes)
        for level in blocks.sum_tree_levels(self.body_bytes):
            sums = b''.join(xxh3_64(self._index(covered[0] + at, min(blocks.BLOCK_BYTES, covered[1] - at))).to_bytes(8, 'little')
                            for at in range(0, covered[1], blocks.BLOCK_BYTES))
            self.data[self.index_at + level[0]:self.index_at + level[0] + level[1]] = sums
            covered = level
        root = xxh3_64(self._index(*covered))
        self.data[self.slot + 56:self.slot + 64] = root.to_bytes(8, 'little')
        total = xxh3_64(bytes(self.data[self.slot:self.slot + SUM_AT]))
        self.data[self.slot + SUM_AT:self.slot + SLOT_BYTES] = total.to_bytes(8, 'little')
        return bytes(self.data)

    def _index(self, at, length):
        return bytes(self.data[self.index_at + at:self.index_at + at + length])
