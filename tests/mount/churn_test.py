#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: hundreds of mounts and unmounts, and daemons killed while they are read from, leave nothing behind and nothing that the
next mount does not put right.

QUIRE_CHURN_ROUNDS and QUIRE_CHURN_KILLS say how many."""
import os
import random
import signal
import sys
import time

import harness
import pytest
import scenario
import trees

ROUNDS = int(os.environ.get('QUIRE_CHURN_ROUNDS', 200))
KILLS = int(os.environ.get('QUIRE_CHURN_KILLS', 50))
OPTIONS = ['-o', 'cache_size=8M']

READER = '''
import random, sys, time
sys.path.insert(0, sys.argv[1])
from scenario import content, sample_names
tree, mount = sys.argv[2:]
wanted = {name: content(f'{tree}/{name}') for name in sample_names(tree)}
while True:
    name = random.choice(list(wanted))
    try:
        with open(f'{mount}/{name}', 'rb', buffering=0) as file:
            got = file.read(len(wanted[name]))
    except OSError:
        time.sleep(0.005)  # there is no mount: its maker wants the core
        continue
    # A read that the end of the daemon cut short is short; what came is right.
    if not wanted[name].startswith(got):
        sys.exit(f'wrong bytes: {name}')
'''


def list_connections():
    return os.listdir(scenario.CONNECTIONS) if os.path.isdir(scenario.CONNECTIONS) else []


class Place:
    """A tree, its pack, and where that is mounted again and again."""

    def __init__(self, scratch, folder):
        self.scratch, self.tree, self.pack, self.folder = scratch, scratch / 'tree', scratch / 'tree.quire', folder
        trees.make_samples(self.tree, 4, 50, 20000)
        harness.pack(self.tree, self.pack)
        self.connections_before = len(list_connections())

    def mount(self):
        done = harness.quire('mount', self.pack, self.folder, *OPTIONS)
        return harness.Mount(self.folder), done

    def assert_served(self, name):
        assert (self.folder / name).read_bytes() == (self.tree / name).read_bytes()

    def assert_nothing_is_left(self):
        """What the kernel holds for us, a daemon's end gives back."""
        assert not harness.is_mounted(self.folder)
        pattern = f'quire.* {self.scratch}'
        harness.until(10, lambda: not harness.find_processes(pattern), lambda: f'processes: {harness.find_processes(pattern)}')
        harness.until(10, lambda: len(list_connections()) <= self.connections_before,
                      lambda: f'{len(list_connections())} connections of FUSE, {self.connections_before} before')


@pytest.fixture(name='place')
def make_place(scratch, mount):
    return Place(scratch, mount.prepare(None))


def test_mounts_and_unmounts(place, quire, tally):
    own_files = len(os.listdir('/proc/self/fd'))
    for number in range(ROUNDS):
        mount, _ = place.mount()
        place.assert_served(f'{number % 4:03}/00007.bin')
        if number % 3 == 0:
            quire('umount', place.folder)
        elif number % 3 == 1:
            harness.run('fusermount3', '-u', place.folder)
        else:
            os.kill(mount.daemon(), signal.SIGTERM)
            harness.until(10, lambda: not harness.is_mounted(place.folder), f'end of mount {number}')
    place.assert_nothing_is_left()
    assert len(os.listdir('/proc/self/fd')) == own_files
    left = harness.run('find', '/dev/shm', '/run', '-xdev', '-maxdepth', '1', '-name', '*quire*', '-newer', place.pack, status=None)
    assert left.out == ''
    tally(ROUNDS, 'mounts and unmounts')


def test_daemons_killed_under_readers(place, quire, tally, at_end):
    """Readers get errors, never wrong bytes, and the next mount takes the place."""
    readers = []
    for number in range(KILLS):
        mount, done = place.mount()
        place.assert_served('000/00001.bin')
        if number == 0:
            readers = [harness.start(at_end, sys.executable, '-c', READER, harness.SUPPORT, place.tree, place.folder)
                       for _ in range(2)]
        time.sleep(random.randrange(10) / 100)
        daemon = mount.daemon()
        os.kill(daemon, signal.SIGKILL)
        harness.until(10, lambda process=daemon: harness.is_gone(process), f'the daemon of round {number} does not die')
    assert [reader.poll() for reader in readers] == [None, None], 'a reader ended'
    for reader in readers:
        harness.kill(reader)
    assert done.says('takes the place of')
    # The dead one is taken away as well, by quire and by what everybody knows.
    quire('umount', place.folder)
    place.assert_nothing_is_left()
    tally(KILLS, 'daemons killed under readers')
