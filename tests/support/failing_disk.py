#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a mount remembers of a disk that failed: nothing, once it reads again; and of bytes that were wrong:
nothing either.

    failing_disk.py TREE PACK MOUNT RULES      the mount reads PACK by a disk that obeys RULES

MOUNT has the options push=off,readahead=off,admit=page.

Each case has pages of its own, which nobody has read before. With push=off and readahead=off the mount reads what it is
asked for, and with admit=page the whole page of it, if it takes the page for whole."""
import errno
import sys

from scenario import Mount, SlowDisk, aborted_on_failure, content, place_samples, rule, sample_names

# A page whose disk reads again may be found out by reads of its samples alone: one, or one more that came at the same
# time.
READS_TO_FIND_OUT = 2


class Case:
    """One page, its samples, and one in its middle that is hit."""

    def __init__(self, tree, mount, samples):
        self.tree, self.mount = tree, mount
        self.hit = samples[len(samples) // 2]
        self.others = [sample for sample in samples if sample is not self.hit]

    def read(self, sample):
        """Right, or the name of the error."""
        try:
            data = content(f'{self.mount.folder}/{sample.name}')
        except OSError as error:
            return errno.errorcode[error.errno]
        return 'right' if data == content(f'{self.tree}/{sample.name}') else 'wrong bytes'

    def expect(self, sample, result):
        found = self.read(sample)
        assert found == result, f'{sample.name}: {found} instead of {result}'

    def read_all(self, samples):
        """What reading these, one after the other, added to the counters of the mount."""
        before = self.mount.counters()
        for sample in samples:
            self.expect(sample, 'right')
        after = self.mount.counters()
        return {name: after[name] - before[name] for name in after}


def heals(case, disk, word):
    """Some reads fail; then the disk is whole again, and so is the page."""
    disk.obey(rule(word, case.hit))
    case.expect(case.hit, 'EIO')
    case.expect(case.others[0], 'right')
    case.expect(case.hit, 'EIO')  # as long as the disk fails
    disk.obey()
    samples = [case.hit, *case.others[1:]]
    added = case.read_all(samples)
    assert added['filled_pages'] == 1 and added['bypasses'] <= READS_TO_FIND_OUT, \
        f'{word}: a disk that reads again: {len(samples)} samples of the page were read by {added}'
    print(f'{word}: whole again with {added["bypasses"]} reads of single samples')


def stays_wrong(case, pack):
    """A byte of the pack is wrong: its sample alone is harmed, and the page serves all others."""
    def flip():
        with open(pack, 'r+b') as file:
            file.seek(case.hit.begin)
            byte = file.read(1)
            file.seek(case.hit.begin)
            file.write(bytes([byte[0] ^ 1]))

    flip()
    case.expect(case.hit, 'EIO')
    added = case.read_all(case.others)
    assert added['volume_bytes'] == 0, f'the disk was read for samples of a page that is there: {added}'
    case.expect(case.hit, 'EIO')
    flip()
    case.expect(case.hit, 'right')
    print(f'a wrong byte: {len(case.others)} samples were served by their page, and one when it was mended')


def main(tree, pack, folder, rules):
    mount, disk = Mount(folder), SlowDisk(rules)
    pages = {}
    for sample in place_samples(tree, pack, sample_names(tree)):
        pages.setdefault(sample.page, []).append(sample)
    cases = [Case(tree, mount, samples) for _, samples in sorted(pages.items())]
    failures = []
    with aborted_on_failure(mount):
        stays_wrong(cases[1], pack)
        for case, word in zip(cases[2:], ('fail', 'short')):
            try:
                heals(case, disk, word)
            except AssertionError as failure:  # the other case counts as well
                failures.append(str(failure))
        assert not failures, '\n'.join(failures)


if __name__ == '__main__':
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
