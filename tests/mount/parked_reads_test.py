#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: readers that wait for the disk keep nobody else waiting, neither other readers nor the end of the mount.
Method: the disk is a mount as well, of a pack that holds the pack; while its daemon is stopped, it does not answer."""
import json
import os
import random
import signal
import struct
import subprocess
import time

import harness
import pytest
import trees

READERS = 40  # far more than the threads of a mount
MOST_ENDED = 10  # a few may find their file in what the kernel read ahead of the disk
NODES, PLANNED = 200000, 8000  # of a pack whose index is large, and of a plan that is smaller than what the pipe holds


class Disk:
    """A mount that holds a pack, and whose daemon can be stopped."""

    def __init__(self, scratch, mounts, at_end):
        self.scratch, self.mounts, self.at_end = scratch, mounts, at_end
        self.holder, self.image, self.folder = scratch / 'holder', scratch / 'disk.quire', scratch / 'disk'
        self.holder.mkdir()
        self.held = self.holder / 'tree.quire'  # as it is packed into the disk
        self.daemon = None

    def open(self, *options):
        harness.pack(self.holder, self.image, '--force')
        self.daemon = self.mounts(self.image, *options, folder=self.folder).daemon()
        self.at_end.callback(self.resume)

    def stop(self):
        os.kill(self.daemon, signal.SIGSTOP)

    def resume(self):
        if not harness.is_gone(self.daemon):
            os.kill(self.daemon, signal.SIGCONT)

    def give_back(self):
        """What io_uring held open is closed a little later than its process ends."""
        harness.until(10, lambda: harness.quire('umount', self.folder, status=None).returncode == 0, 'the pack is still in use')


class Readers:
    """One of each other file."""

    def __init__(self, at_end, tree, shown):
        self.processes = [harness.start(at_end, 'cmp', '-s', tree / name, shown / name, stderr=subprocess.DEVNULL)
                          for name in (f'000/{number:05}.bin' for number in range(1, READERS + 1))]

    def ended(self):
        return [process.returncode for process in self.processes if process.poll() is not None]

    def await_parked(self, shown):
        def are_parked():
            parked = parked_requests(shown)
            return parked >= READERS - len(self.ended()) and len(self.ended()) < MOST_ENDED
        harness.until(20, are_parked, lambda: f'{parked_requests(shown)} reads parked, not {READERS}')

    def await_end(self):
        harness.until(20, lambda: len(self.ended()) == READERS,
                      lambda: f'{READERS - len(self.ended())} readers wait although the disk answers')


def parked_requests(shown):
    """REQUIRES: an answer; a mount that waits for the disk fails the test by time."""
    stats = shown.stats_or_none()
    assert stats is not None, '.quire/stats waits for the disk'
    return json.loads(stats)['parked_requests']


@pytest.fixture(name='disk')
def make_disk(scratch, mount, at_end):
    return Disk(scratch, mount, at_end)


@pytest.fixture(name='tree')
def make_tree(scratch, disk):
    tree = scratch / 'tree'
    trees.make_samples(tree, 1, READERS + 1, 100000)
    harness.pack(tree, disk.held)
    return tree


@pytest.fixture(name='shown')
def mount_on_disk(disk, tree, mount):
    """The pack that lies on the disk, mounted, with its index in memory; and the disk stopped."""
    disk.open()
    shown = mount.in_foreground(disk.folder / 'tree.quire', 'threads=2', 'admit=extent', 'readahead=off')
    harness.run('ls', '-lR', shown.path)
    assert (shown / '000/00000.bin').read_bytes() == (tree / '000/00000.bin').read_bytes()
    disk.stop()
    return shown


def test_mount_goes_on_answering(shown, disk, tree, at_end):
    """What is in memory, names, and how many wait."""
    readers = Readers(at_end, tree, shown)
    readers.await_parked(shown)
    harness.run('timeout', '5', 'ls', '-l', shown / '000')
    disk.resume()
    readers.await_end()
    assert set(readers.ended()) == {0}
    harness.until(5, lambda: parked_requests(shown) == 0,
                  lambda: f'{parked_requests(shown)} reads parked, although all have ended')
    shown.unmount()
    disk.give_back()


def assert_ends(shown, disk):
    """SIGTERM takes the mount away at once, and the daemon ends as soon as the disk has answered."""
    shown.end()
    harness.until(10, lambda: not harness.is_mounted(shown.path), 'SIGTERM waits for the disk before it unmounts')
    disk.resume()
    assert shown.await_end() == 0


def test_sigterm_while_readers_wait(shown, disk, tree, at_end):
    readers = Readers(at_end, tree, shown)
    readers.await_parked(shown)
    assert_ends(shown, disk)
    readers.await_end()  # of a mount that is gone
    disk.give_back()


def test_sigterm_while_a_plan_waits(disk, mount):
    """Of each of its samples the index is read, which is large here."""
    harness.run(harness.find_program('synthetic_pack'), disk.held, str(NODES))
    disk.open('push=off', 'readahead=off')
    shown = mount.in_foreground(disk.folder / 'tree.quire')
    os.stat(shown.plan_path)
    disk.stop()
    inodes = random.Random(1).sample(range(2, NODES), PLANNED)
    with open(shown.plan_path, 'wb') as pipe:
        pipe.write(b'\0inodes\n' + struct.pack(f'<{len(inodes)}Q', *inodes))
    time.sleep(0.5)
    assert_ends(shown, disk)
    disk.give_back()
