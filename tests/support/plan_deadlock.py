#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A plan whose samples wait for memory, and reads that wait for the plan.

    plan_deadlock.py tree DIR                           makes the tree
    plan_deadlock.py run TREE PACK MOUNT RULES          the mount reads PACK by a disk that obeys RULES

A read of one sample (`queued`) waits for memory; a read of another (`asked`) waits behind it, while the kernel keeps
the folios of that sample locked. Then the page of `asked` comes into memory by reads of its neighbours, and a plan
names `asked`: to store it into the kernel's page cache means to wait for those folios. Whatever waits there must not
hold what the first read waits for."""
import os
import random
import sys
import threading
import time

from scenario import Mount, SlowDisk, aborted_on_failure, content, place_samples, rule, sample_names

# For a mount of 16 MiB: two slabs of 2 MiB, of which plans may use a half.
SIZES = {
    'planned-1': 950_000,  # these two are what a plan may have in flight, and a little less
    'planned-2': 750_000,
    'wide': 1_200_000,     # behind planned-1 in no slab, with planned-2 in one
    'queued': 350_000,     # behind neither
}
NEIGHBOUR_BYTES = 50_000  # they fill pages so well that no other sample is cut to fill them
# 150 MB, more than eight times the slots for pages: a mount then takes no page for one read of it alone.
NEIGHBOURS = 3000
# Beside the five samples of the scenario, samples of these sizes for the random load.
OTHERS = 40
# What is left to read then is 5 MB from a disk that answers at once. A machine that is busy with other things gets its
# time.
END_S = 30


def make_tree(tree):
    """In the order of the pack: each of SIZES among neighbours, so that no two look like a run of reads."""
    data = random.Random(1)
    parts = len(SIZES) + 1
    for part in range(parts):
        os.makedirs(f'{tree}/{part}')
        for number in range(NEIGHBOURS // parts):
            write(f'{tree}/{part}/{number:04}', data.randbytes(NEIGHBOUR_BYTES))
    for part, (role, size) in enumerate(SIZES.items()):
        write(f'{tree}/{part}/0100-{role}', data.randbytes(size))
    os.makedirs(f'{tree}/others')
    for number in range(OTHERS):
        for role, size in SIZES.items():
            write(f'{tree}/others/{number:02}-{role}', data.randbytes(size - number * 1000))


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


class Reads:
    """Reads of whole samples, a thread each, compared with the tree."""

    def __init__(self, tree, mount):
        self.tree, self.mount = tree, mount
        self.results = {}  # by name: None while it is read, then whether it was right

    def begin(self, sample):
        self.results[sample.name] = None
        threading.Thread(target=self.read, args=[sample.name], daemon=True).start()

    def read(self, name):
        try:
            self.results[name] = content(f'{self.mount.folder}/{name}') == content(f'{self.tree}/{name}')
        except OSError as error:
            self.results[name] = error

    def waiting(self):
        return [name for name, result in self.results.items() if result is None]

    def wrong(self):
        return {name: result for name, result in self.results.items() if result is not True}


def run(tree, pack, mount, disk):
    samples = place_samples(tree, pack, [name for name in sample_names(tree) if not name.startswith('others')])
    roles = {role: next(sample for sample in samples if sample.name.endswith(role)) for role in SIZES}
    # In the last part, far from the others.
    asked = samples[-NEIGHBOURS // (2 * (len(SIZES) + 1))]
    neighbours = [sample for sample in samples if asked.page - 2 <= sample.page <= asked.page and sample is not asked]
    reads = Reads(tree, mount)

    disk.obey(*[rule('hold', roles[role]) for role in ('planned-1', 'planned-2', 'wide')])
    with open(mount.folder + '/.quire/plan', 'w', buffering=1) as plan:
        def tell(sample):
            plan.write(sample.name + '\n')
            mount.settle()

        tell(roles['planned-1'])
        reads.begin(roles['wide'])
        mount.settle()
        tell(roles['planned-2'])
        reads.begin(roles['queued'])
        mount.settle()
        reads.begin(asked)
        mount.settle()
        for sample in neighbours:
            reads.begin(sample)
            time.sleep(0.02)  # in the order of the pack, so that they are seen as a run
        mount.settle()
        tell(asked)
        print(f'{len(reads.waiting())} reads wait for the held disk; all of it answers from now on', flush=True)
        disk.obey()
        end = time.monotonic() + END_S
        while reads.waiting() and time.monotonic() < end:
            time.sleep(0.05)
    assert not reads.waiting(), f'{len(reads.waiting())} reads wait although the disk answers: {reads.waiting()}'
    assert not reads.wrong(), f'wrong bytes or errors: {reads.wrong()}'
    print(f'all {len(reads.results)} reads ended, and were right')


def main(command, *arguments):
    if command == 'tree':
        return make_tree(*arguments)
    tree, pack, folder, rules = arguments
    mount = Mount(folder)
    with aborted_on_failure(mount):
        run(tree, pack, mount, SlowDisk(rules))


if __name__ == '__main__':
    if sys.argv[1:2] not in (['tree'], ['run']) or len(sys.argv) != {'tree': 3, 'run': 6}[sys.argv[1]]:
        sys.exit(__doc__)
    main(*sys.argv[1:])
