#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Damages copies of packs, and looks at them with `quire verify`, `ls`, `cat`, `extract` and mounts: each tells what is
damaged or refuses the pack, and shows all else as it was packed.

    pack_damage.py QUIRE SCRATCH SEED SECONDS NAME=TREE=PACK...

SCRATCH is an empty folder. Every byte of the superblock slots and the index is changed in the first pack, or, where SECONDS are
less than a minute, some of them; each pack is cut at its borders; and for SECONDS the packs are damaged at random, after
SEED and the numbers that follow it. The last lines are counts: COUNT, a tab, and what was tried."""
import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import sys
import threading
import time

from damager import Damager
from pack_readers import Check, Commands, Subject, Wrong

LONG_S = 60  # from here on every byte is changed in turn, and not a part of them
STRIDE = 41  # of the bytes that are changed in the short form: prime, so that all places in records come up
BATCH = 32  # packs for one process of verify
MOST_WRONG = 10  # then it ends
MOUNTS = ('push=off', 'push=on', 'push=off,direct_io', 'push=off,admit=page', 'push=off,readahead=off,io=threads')


@contextlib.contextmanager
def telling(what):
    """What is found inside says where it was."""
    try:
        yield
    except (Wrong, AssertionError, OSError, ValueError, KeyError) as wrong:
        raise Wrong(f'{what}: {wrong if isinstance(wrong, Wrong) else repr(wrong)}') from wrong


class Campaign:
    def __init__(self, subjects, scratch, seed, seconds):
        self.subjects, self.scratch, self.seed, self.seconds = subjects, scratch, seed, seconds
        self.counts = collections.Counter()
        self.lock = threading.Lock()  # guards counts
        self.local = threading.local()
        self.numbers = itertools.count()

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def folder(self):
        """A folder of this thread."""
        if not hasattr(self.local, 'folder'):
            self.local.folder = f'{self.scratch}/worker-{next(self.numbers)}'
            os.makedirs(self.local.folder)
        return self.local.folder

    def write(self, name, data):
        path = f'{self.folder()}/{name}'
        with open(path, 'wb') as file:
            file.write(data)
        return path

    def changed_bytes(self, subject, ats, chance):
        """Changes one byte in each of several copies, which one process verifies; one of them is looked at by the others."""
        checks = []
        for number, at in enumerate(ats):
            bad = bytearray(subject.data)
            bad[at] ^= chance.randrange(1, 256)
            pack = self.write(f'byte-{number}.quire', bad)
            checks.append(Check(subject, bad, pack, self.folder()))
        packs = [check.pack for check in checks]
        with telling(f'{subject.name}, bytes {list(ats)}'):
            _, shown, _ = subject.commands.run('verify', '--json', *packs)
            reports = {report['pack']: report for report in documents(shown.decode(errors='surrogateescape'))}
            for at, check in zip(ats, checks):
                with telling(f'byte {at}'):
                    check.verified(reports[check.pack])
            one = chance.choice(checks)
            one.list()
            one.extract()
        self.count('bytes changed one by one', len(checks))

    def cut_at(self, subject, length):
        bad = subject.data[:length]
        check = Check(subject, bad, self.write('cut.quire', bad), self.folder())
        with telling(f'{subject.name}, cut to {length} bytes'):
            check.verify()
            check.list()
        self.count('truncations')

    def damaged(self, damager, seed):
        chance = random.Random(seed)
        subject = chance.choice(self.subjects)
        bad, how = damager.harm(subject, chance)
        pack = self.write('damaged.quire', bad)
        check = Check(subject, bad, pack, self.folder())
        with telling(f'{subject.name}, seed {seed}, {how}'):
            check.verify()
            what = chance.random()
            if what < 0.4 or not os.path.exists('/dev/fuse'):
                check.list()
                check.extract()
            elif what < 0.6:
                paths = sorted(subject.content)
                for path in chance.sample(sorted(check.names & set(paths)), min(2, len(check.names))):
                    check.cat(path)
                check.cat(chance.choice(paths))
            else:
                self.mount(check, bad, chance)
        self.count('places damaged at random')

    def mount(self, check, bad, chance):
        """Damaged before it is mounted, or, at the same length, beneath the mount."""
        beneath = None
        if len(bad) == len(check.subject.data) and chance.random() < 0.3:
            good = self.write('beneath.quire', check.subject.data)
            check.pack = good

            def beneath():
                with open(good, 'r+b') as file:
                    file.write(bad)
        check.mount(chance.choice(MOUNTS), chance, beneath)
        self.count('mounts of damaged packs')

    def run(self):
        chance = random.Random(self.seed)
        stride = 1 if self.seconds >= LONG_S else STRIDE
        subject = self.subjects[0]
        ats = [at for begin, end in (*subject.layout.slots, (subject.layout.index_at, subject.layout.end))
               for at in range(begin + chance.randrange(min(stride, end - begin)), end, stride)]
        damager = Damager(self.subjects)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            work = [pool.submit(self.changed_bytes, subject, ats[i:i + BATCH], random.Random(self.seed + i))
                    for i in range(0, len(ats), BATCH)]
            for subject in self.subjects:
                lengths = {length + more for length in subject.layout.borders() for more in (-1, 0, 1)}
                lengths = sorted(length for length in lengths if 0 <= length < subject.layout.end)
                most = 1000 if self.seconds >= LONG_S else 40
                work += [pool.submit(self.cut_at, subject, length)
                         for length in chance.sample(lengths, min(most, len(lengths)))]
            wrong = [str(done.exception()) for done in work if done.exception()]
            end = time.monotonic() + self.seconds
            seeds = itertools.count(self.seed)
            workers = [pool.submit(self.damage_until, damager, seeds, end, wrong) for _ in range(os.cpu_count())]
            for done in workers:
                done.result()
            return wrong

    def damage_until(self, damager, seeds, end, wrong):
        while time.monotonic() < end and len(wrong) < MOST_WRONG:
            with self.lock:
                seed = next(seeds)
            try:
                self.damaged(damager, seed)
            except Wrong as found:
                wrong.append(str(found))


def documents(text):
    """JSON documents that follow each other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        yield document
        while at < len(text) and text[at].isspace():
            at += 1


def main(quire, scratch, seed, seconds, *packs):
    print(f'seed {seed}', flush=True)
    commands = Commands(quire)
    subjects = [Subject(*pack.split('='), commands) for pack in packs]
    campaign = Campaign(subjects, scratch, int(seed), float(seconds))
    wrong = campaign.run()
    for found in wrong[:MOST_WRONG]:
        print(found)
    for what, number in sorted(campaign.counts.items()):
        print(f'{number}\t{what}')
    return 1 if wrong else 0


if __name__ == '__main__':
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
