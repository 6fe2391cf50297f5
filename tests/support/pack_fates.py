#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a pack while it is mounted and read: cut, grown, overwritten, replaced, deleted, on a disk that is full
or whose file system was taken away. Readers get right bytes, or an error of what is gone, and right bytes again when it
is back.

    pack_fates.py QUIRE TREE PACK OTHER FOLDER MOUNT LOG SECONDS SEED [small]

Copies of PACK are mounted from FOLDER; OTHER is what replaces them. With `small` a file system is mounted on FOLDER that
can be filled, and is then taken away. Prints "COUNT<tab>WHAT" for each thing that it counted."""
import contextlib
import errno
import itertools
import os
import shutil
import subprocess
import sys
import time

from disk_faults import COMBINATIONS, Hang, Trial, choose_options, is_hit, mount_stacks
from scenario import abort, content

SMALL_BYTES = 4 << 20  # what the small file system has beside the pack


class Victim:
    """A copy of the pack, which stays open whatever its name stands for."""

    def __init__(self, trial, folder, other):
        self.trial, self.folder, self.other = trial, folder, other
        self.path = folder + '/pack.quire'
        shutil.copyfile(trial.pack, self.path)
        self.file = open(self.path, 'r+b', buffering=0)  # pylint: disable=consider-using-with
        self.whole = content(trial.pack)

    def write(self, at, data):
        os.pwrite(self.file.fileno(), data, at)

    def some_range(self):
        begin = self.trial.chance.randrange(self.trial.pack_bytes)
        return begin, min(self.trial.pack_bytes, begin + self.trial.chance.choice([1, 5000, 300_000, 5 << 20]))

    # Each tells which bytes are gone, if any.

    def cut(self):
        at = self.trial.chance.choice([0, self.trial.index_begin, self.trial.chance.randrange(self.trial.pack_bytes)])
        self.file.truncate(at)
        return at, self.trial.pack_bytes

    def overwritten(self):
        begin, end = self.some_range()
        self.write(begin, bytes(byte ^ 0x55 for byte in self.whole[begin:end]))
        return begin, end

    def by_another_pack(self):
        data = content(self.other)
        self.file.truncate(0)
        self.write(0, data)
        return 0, self.trial.pack_bytes

    def grown(self):
        self.write(self.trial.pack_bytes, self.trial.chance.randbytes(100_000))

    def replaced(self):
        shutil.copyfile(self.other, self.path + '.new')
        os.rename(self.path + '.new', self.path)

    def deleted(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)

    def mend(self, gone):
        if gone:
            self.write(gone[0], self.whole[gone[0]:gone[1]])
            self.write(0, self.whole[:gone[0]])  # what a cut or another pack took with it
        self.file.truncate(self.trial.pack_bytes)


def read_some(trial, gone, samples):
    """Whether errors are of what is gone."""
    for sample in samples:
        error = trial.read(sample.name)
        if error is None:
            continue
        assert error == errno.EIO, f'{sample.name}: {errno.errorcode[error]}'
        assert gone and is_hit(sample, *gone), f'{sample.name} at {sample.begin}: EIO, and {gone} is gone'
        trial.counts['reads that failed of what was gone'] += 1


def list_names(trial):
    """Whole, or an error."""
    with contextlib.suppress(OSError):
        names = os.listdir(trial.folder + '/names/0')
        assert len(names) == len(os.listdir(trial.tree + '/names/0')), f'{len(names)} names are listed'


def fate(trial, victim, name, is_warm):
    chance = trial.chance
    gone = getattr(victim, name)()
    try:
        # Before the index was read, what is gone of it may harm each sample.
        harmed = gone if is_warm else gone and (0, trial.pack_bytes)
        trial.in_threads([lambda some=chance.sample(trial.samples, 25): read_some(trial, harmed, some)
                          for _ in range(3)])
        # What is damaged is left out of listings, which the kernel may keep (fs/SEMANTICS.md); what is cut off is not.
        if is_warm or not gone or name == 'cut':
            list_names(trial)
        victim.mend(gone)
        trial.expect_whole(chance.sample(trial.samples, 40), 'when all was back')
        for folder in ('names/0', 's'):
            assert os.listdir(f'{trial.folder}/{folder}') == sorted(os.listdir(f'{trial.tree}/{folder}')), folder
    except AssertionError as failure:
        raise AssertionError(f'{name}, {gone}: {failure}') from failure
    trial.counts[f'packs {name.replace("_", " ")} under a mount'] += 1


@contextlib.contextmanager
def small_file_system(trial, folder):
    size = trial.pack_bytes + SMALL_BYTES
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'small', folder], check=True)
    try:
        yield
    finally:
        subprocess.run(['umount', '-l', folder], check=False, capture_output=True)


def fill(folder):
    with contextlib.suppress(OSError), open(folder + '/filler', 'wb') as file:
        while True:
            file.write(bytes(1 << 16))


def on_small(trial, folder, options):
    """A disk that is full, with the log of the mount on it, and then taken away."""
    log = trial.log
    with small_file_system(trial, folder):
        trial.log = folder + '/log'
        shutil.copyfile(trial.pack, folder + '/pack.quire')
        with trial.mounted(folder + '/pack.quire', options):
            fill(folder)
            trial.expect_whole(trial.samples, 'on a full disk')
            subprocess.run(['umount', '-l', folder], check=True)
            trial.expect_whole(trial.chance.sample(trial.samples, 60), 'of a file system that was taken away')
    trial.log = log
    trial.counts['mounts of packs on full disks, which were then taken away'] += 1


def main(quire, tree, pack, other, folder, mount, log, seconds, seed, small=None):
    trial = Trial(quire, tree, pack, None, '', mount, log, seed)
    until = time.monotonic() + float(seconds)
    try:
        for number in itertools.count():
            if number >= COMBINATIONS and time.monotonic() > until:
                break
            options = choose_options(trial.chance, number)
            if small:
                on_small(trial, folder, options)
                continue
            victim = Victim(trial, folder, other)
            is_warm = trial.chance.random() < 0.6
            with trial.mounted(victim.path, options):
                if is_warm:
                    trial.expect_whole(trial.samples, 'at first')
                    list_names(trial)  # reads the rest of the index
                for name in trial.chance.sample(['cut', 'cut', 'overwritten', 'overwritten', 'by_another_pack', 'grown'], 3):
                    fate(trial, victim, name, is_warm)
                    is_warm = True
                fate(trial, victim, trial.chance.choice(['replaced', 'deleted']), is_warm)
    except Hang:
        print(mount_stacks(mount), flush=True)
        abort([trial.mount.connection])
        raise
    trial.counts['reads compared of packs that something becomes of'] = trial.counts.pop('reads compared on failing disks')
    for what, count in sorted(trial.counts.items()):
        print(f'{count}\t{what}')


if __name__ == '__main__':
    if len(sys.argv) not in (10, 11):
        sys.exit(__doc__)
    main(*sys.argv[1:])
