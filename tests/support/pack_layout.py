# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a pack, as format/FORMAT.md says: written from that page, and without Quire's code, so that a test
can tell what a damaged byte belongs to. For packs that are whole, of one volume or compressed, and of generation 1."""
import bisect
import os
import struct

PAGE_BYTES = 2 << 20
FRAME_BYTES = 256 << 10
SLOT_BYTES = 4096
DATA_BEGIN = 2 * SLOT_BYTES
BLOCK_BYTES = 65536
NO_SEGMENT = (1 << 40) - 1
VOLUMES, ATTRIBUTES, DIRECTORIES, NODES, EXTENTS, SEGMENTS, NAMES, XATTRS, MEMBERS, DICTIONARIES, DICTIONARY_BYTES = range(1, 12)
FILE, SEGMENTED, DIRECTORY, SYMLINK, HARD_LINK = range(1, 6)


def u40(record, at):
    return int.from_bytes(record[at:at + 5], 'little')


def align(value, to):
    return -(-value // to) * to


class Node:
    """One record of the nodes. `extents`: (offset in the file, number of the extent), for samples. `blocks`: those of the
    index that a reader of the entry needs, with those of the folders above it."""

    def __init__(self, number, record):
        self.number = number
        self.size = int.from_bytes(record[8:16], 'little')
        self.attributes = int.from_bytes(record[16:20], 'little')
        self.name_at, self.name_bytes = u40(record, 20), record[25]
        self.kind, self.content = record[26], u40(record, 27)
        self.blocks, self.extents = set(), []
        self.parent, self.path = 0, ''


class Layout:
    """`extents`: (begin, end) in the pack, by number, of a compressed one those of its frame; `lengths`: their bytes as readers see
    them; `members`: of compressed ones the numbers of their coded members, else None. `slots`, `blocks`, `sums`: the ranges of the superblock slots, of
    the blocks of the index's body, of the levels of the sum tree. `users`: by extent, the nodes whose bytes it has."""

    def __init__(self, data):
        self.data = data
        count, = struct.unpack_from('<I', data, 20)
        self.index_at, body_bytes, index_bytes, _, self.end = struct.unpack_from('<5Q', data, 32)
        assert self.end == self.index_at + index_bytes
        self.sections = {}
        for i in range(count):
            number, _, record_bytes, _, at, length = struct.unpack_from('<4I2Q', data, 192 + 32 * i)
            self.sections[number] = (self.index_at + at, length, record_bytes)
        self.slots = [(0, SLOT_BYTES), (SLOT_BYTES, DATA_BEGIN)]
        body_end = self.index_at + body_bytes
        self.blocks = [(at, min(at + BLOCK_BYTES, body_end)) for at in range(self.index_at, body_end, BLOCK_BYTES)]
        self.sums, blocks, at = [], len(self.blocks), body_bytes
        while True:
            at = align(at, 64)
            self.sums.append((self.index_at + at, self.index_at + at + 8 * blocks))
            at += 8 * blocks
            if 8 * blocks <= BLOCK_BYTES:
                break
            blocks = align(8 * blocks, BLOCK_BYTES) // BLOCK_BYTES
        assert at == index_bytes, 'the sum tree is not where FORMAT.md has it'
        coded = self.records(MEMBERS)
        coded_at = [int.from_bytes(record[0:6], 'little') for record in coded]
        self.extents, self.lengths, self.members = [], [], []
        for record in self.records(EXTENTS):
            begin, volume = struct.unpack('<QH', record[0:6] + bytes(2) + record[6:8])
            self.lengths.append(int.from_bytes(record[8:11], 'little'))
            self.members.append(None if volume == 0 else bisect.bisect_right(coded_at, begin) - 1)
            if volume == 0:
                self.extents.append((begin, begin + self.lengths[-1]))
            else:
                member = coded[self.members[-1]]
                stored = int.from_bytes(member[8:14], 'little')
                self.extents.append((stored, stored + int.from_bytes(member[24:32], 'little')))
        self.users = [set() for _ in self.extents]
        self.read_nodes()

    def place(self, section, number):
        """Where a record, or a byte of the names or xattrs, lies."""
        at, _, record_bytes = self.sections[section]
        return at + number * record_bytes

    def record(self, section, number):
        at = self.place(section, number)
        return self.data[at:at + self.sections[section][2]]

    def records(self, section):
        _, length, record_bytes = self.sections.get(section, (0, 0, 1))
        return [self.record(section, number) for number in range(length // record_bytes)]

    def text(self, at, length):
        return os.fsdecode(self.data[self.place(NAMES, at):self.place(NAMES, at + length)])

    def read_nodes(self):
        self.nodes = [Node(number, record) for number, record in enumerate(self.records(NODES))]
        directories = self.records(DIRECTORIES)
        for number, record in enumerate(directories):
            first, children, node = struct.unpack('<3Q', record)
            for child in range(first, first + children):
                self.nodes[child].parent = node
            # The neighbours say where its children begin and end.
            for neighbour in range(max(number - 1, 0), min(number + 2, len(directories))):
                self.need(self.nodes[node], DIRECTORIES, neighbour)
        for node in self.nodes:
            self.need(node, NODES, node.number)
            self.need(node, NAMES, node.name_at, node.name_bytes)
            name = self.text(node.name_at, node.name_bytes)
            above = self.nodes[node.parent].path
            node.path = f'{above}/{name}' if above else name
            if node.kind != HARD_LINK:
                self.read_content(node)
        for node in self.nodes:
            if node.kind == HARD_LINK:
                node.blocks |= self.nodes[node.content].blocks
                node.extents = self.nodes[node.content].extents
        for node in self.nodes[1:]:  # a folder stands before what it holds
            node.blocks |= self.nodes[node.parent].blocks

    def need(self, node, section, number, count=1):
        begin, end = (self.place(section, at) - self.index_at for at in (number, number + count))
        if end > begin:
            node.blocks |= set(range(begin // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1))

    def read_content(self, node):
        self.need(node, ATTRIBUTES, node.attributes)
        attributes = self.record(ATTRIBUTES, node.attributes)
        xattrs_at, xattrs_bytes = struct.unpack_from('<QI', attributes, 16)
        self.need(node, XATTRS, xattrs_at, xattrs_bytes)
        if node.kind == SYMLINK:
            self.need(node, NAMES, node.content, node.size)
        elif node.kind == FILE and node.size > 0:
            node.extents = [(0, node.content)]
        elif node.kind == SEGMENTED and node.content != NO_SEGMENT:
            self.read_segments(node)
        for _, extent in node.extents:
            self.need(node, EXTENTS, extent)
            self.users[extent].add(node.number)
            if self.members[extent] is not None:
                self.need_member(node, self.members[extent])

    def need_member(self, node, number):
        for neighbour in range(max(number - 1, 0), number + 1):  # with which it is compared
            self.need(node, MEMBERS, neighbour)
        dictionary = self.record(MEMBERS, number)[15]
        if dictionary > 0:
            self.need(node, DICTIONARIES, dictionary)
            self.need(node, DICTIONARY_BYTES, *struct.unpack_from('<QI', self.record(DICTIONARIES, dictionary)))

    def read_segments(self, node):
        following = struct.unpack('<4Q', self.record(SEGMENTS, node.content))[3]
        self.need(node, SEGMENTS, node.content, following + 1)
        for number in range(node.content, node.content + following + 1):
            at, length, first, _ = struct.unpack('<4Q', self.record(SEGMENTS, number))
            part_bytes = PAGE_BYTES if self.members[first] is None else FRAME_BYTES
            node.extents += [(at + part * part_bytes, first + part) for part in range(align(length, part_bytes) // part_bytes)]

    def borders(self):
        """Where a structure begins or ends."""
        found = {0, self.end, self.index_at}
        for ranges in (self.slots, self.extents, self.blocks, self.sums,
                       [(at, at + length) for at, length, _ in self.sections.values()]):
            for begin, end in ranges:
                found |= {begin, end}
        return sorted(found)


class Damage:
    """What of a pack other bytes harm. `extents`: numbers; `is_covered`: whether a sum covers any of it."""

    def __init__(self, layout, bad):
        def differ(ranges):
            return [i for i, (begin, end) in enumerate(ranges) if layout.data[begin:end] != bad[begin:end]]

        self.layout = layout
        self.slots, self.extents = differ(layout.slots), differ(layout.extents)
        self.blocks, self.sums = differ(layout.blocks), differ(layout.sums)
        self.is_short = len(bad) < layout.end
        self.is_covered = bool(self.slots or self.extents or self.blocks or self.sums or self.is_short)
        self.is_in_index = bool(self.slots or self.blocks or self.sums or self.is_short)
        self.hit = set().union(*(layout.users[extent] for extent in self.extents))

    def spares(self, node):
        """Whether all that tells of a node is whole, the folders above it included; not so its bytes."""
        return not (0 in self.slots or self.sums or self.is_short or node.blocks.intersection(self.blocks))
