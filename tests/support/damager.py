# SPDX-License-Identifier: Apache-2.0
"""Ways in which disks, memory and programs harm a file, for pack_damage.py."""
from pack_layout import DATA_BEGIN, PAGE_BYTES


class Damager:
    """Each way changes `bad`, a bytearray, from byte `lowest` on. `subjects` have the `data` of whole packs."""

    def __init__(self, subjects):
        self.subjects = subjects
        self.ways = [self.flip_bit, self.change_byte, self.change_byte, self.zeros, self.ones, self.noise, self.misplaced,
                     self.foreign, self.foreign_page, self.swapped_pages, self.lost_tail, self.cut, self.shifted]

    def harm(self, subject, chance):
        """The damaged bytes, and what was done. Three times of four not in the superblocks, after which there is little."""
        bad = bytearray(subject.data)
        lowest = 0 if chance.random() < 0.25 else DATA_BEGIN
        ways = chance.choices(self.ways, k=chance.choice((1, 1, 1, 1, 2, 5)))
        for way in ways:
            if len(bad) > lowest + 1:
                way(subject, bad, chance, lowest)
        if any(bad.startswith(other.data) for other in self.subjects):  # another whole pack, which is no damage
            bad = bytearray(subject.data)
        return bad, '+'.join(way.__name__ for way in ways)

    @staticmethod
    def place(bad, chance, lowest, most=1 << 16):
        """A range: of a few bytes, or of a few sectors."""
        begin = chance.randrange(lowest, len(bad))
        if chance.random() < 0.5:
            begin -= begin % 512
            return begin, min(begin + 512 * chance.choice((1, 1, 8, 8, 16, most // 512)), len(bad))
        return begin, min(begin + chance.choice((1, 2, 8, 100, 5000)), len(bad))

    def flip_bit(self, _, bad, chance, lowest):
        bad[chance.randrange(lowest, len(bad))] ^= 1 << chance.randrange(8)

    def change_byte(self, _, bad, chance, lowest):
        bad[chance.randrange(lowest, len(bad))] ^= chance.randrange(1, 256)

    def zeros(self, _, bad, chance, lowest):
        begin, end = self.place(bad, chance, lowest)
        bad[begin:end] = bytes(end - begin)

    def ones(self, _, bad, chance, lowest):
        begin, end = self.place(bad, chance, lowest)
        bad[begin:end] = b'\xff' * (end - begin)

    def noise(self, _, bad, chance, lowest):
        begin, end = self.place(bad, chance, lowest)
        bad[begin:end] = chance.randbytes(end - begin)

    def misplaced(self, subject, bad, chance, lowest):
        """A write that went to another place, in the same pack."""
        begin, end = self.place(bad, chance, lowest)
        source = chance.randrange(0, len(subject.data))
        piece = subject.data[source:source + end - begin]
        bad[begin:begin + len(piece)] = piece

    def foreign(self, _, bad, chance, lowest):
        """The same place of another pack, as after a write that was lost where that pack lay before."""
        other = chance.choice(self.subjects).data
        begin, end = self.place(bad, chance, lowest)
        piece = other[begin:end]
        bad[begin:begin + len(piece)] = piece

    def foreign_page(self, _, bad, chance, lowest):
        other = chance.choice(self.subjects).data
        at = chance.randrange(0, len(bad), PAGE_BYTES)
        source = chance.randrange(0, len(other), PAGE_BYTES)
        piece = other[max(source, lowest):source + PAGE_BYTES][:len(bad) - at]
        begin = max(at, lowest)
        bad[begin:begin + len(piece)] = piece[:len(bad) - begin]

    def swapped_pages(self, _, bad, chance, lowest):
        pages = range(0, len(bad) - PAGE_BYTES + 1, PAGE_BYTES)
        if len(pages) < 2:
            self.misplaced(self.subjects[0], bad, chance, lowest)
            return
        one, other = sorted(chance.sample(pages, 2))
        one_begin, other_begin = max(one, lowest), other + max(one, lowest) - one
        length = one + PAGE_BYTES - one_begin
        bad[one_begin:one_begin + length], bad[other_begin:other_begin + length] = \
            bad[other_begin:other_begin + length], bad[one_begin:one_begin + length]

    def lost_tail(self, _, bad, chance, lowest):
        """The length is there, the bytes are not: a file system after a power cut."""
        begin = chance.randrange(lowest, len(bad))
        bad[begin:] = bytes(len(bad) - begin)

    def cut(self, _, bad, chance, lowest):
        del bad[chance.randrange(lowest, len(bad)):]

    def shifted(self, _, bad, chance, lowest):
        """A byte too many or too few, and the length as it was."""
        at, length = chance.randrange(lowest, len(bad)), len(bad)
        if chance.random() < 0.5:
            bad.insert(at, chance.randrange(256))
            del bad[length:]
        else:
            del bad[at]
            bad.append(0)
