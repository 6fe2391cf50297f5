# SPDX-License-Identifier: Apache-2.0
"""What the programs behind the tests of mounts share: where samples lie, what a mount counts, what the slow disk does,
and how a mount whose daemon may hang is ended.

A program that finds a mount hanging must end its connection before it ends itself: a process with a read that the
daemon has taken and never answers cannot be killed."""
import contextlib
import json
import mmap
import os
import subprocess
import threading
import time

PAGE_BYTES = 2 << 20
CONNECTIONS = '/sys/fs/fuse/connections'
# The kernel keeps the name .quire/stats for a tenth of a second (fs/SEMANTICS.md): sooner it shows the same numbers.
STATS_AGE_S = 0.11
# A mount whose counters have not moved for so many looks has done what it can: 0.4 s, hundreds of times what a read
# takes.
LOOKS_AT_REST = 4


def sample_names(tree):
    """The paths of all regular files below `tree`, in the order of the pack."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
    return sorted(os.path.relpath(path, tree) for path in paths)


def content(path):
    with open(path, 'rb') as file:
        return file.read()


class Sample:
    """A sample that lies in one page of the pack, and where."""

    def __init__(self, name, begin, size):
        self.name, self.begin, self.end, self.page = name, begin, begin + size, begin // PAGE_BYTES


def place_samples(tree, pack, names):
    """The samples that lie in one page each. REQUIRES: their first 64 bytes are found nowhere else."""
    samples = []
    with open(pack, 'rb') as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as stored:
        at = 0
        for name in names:
            whole = content(f'{tree}/{name}')
            found = stored.find(whole[:64], at)  # most come in the order of the pack
            at = found if found >= 0 else stored.find(whole[:64])
            sample = Sample(name, at, len(whole))
            if (sample.end - 1) // PAGE_BYTES == sample.page:
                samples.append(sample)
    return samples


class SlowDisk:
    """The rules of support/slow_file.cc."""

    def __init__(self, rules):
        self.path = rules

    def obey(self, *rules):
        """From now on these, and no others."""
        with open(self.path + '.new', 'w') as file:
            file.writelines(rule + '\n' for rule in rules)
        os.rename(self.path + '.new', self.path)


def rule(word, sample):
    return f'{word} {sample.begin} {sample.end}'


class Mount:
    def __init__(self, folder):
        self.folder = folder
        self.remember()

    def remember(self):
        """Which connection it is, while it can be asked."""
        self.connection = os.minor(os.lstat(self.folder).st_dev)

    def stats(self):
        time.sleep(STATS_AGE_S)
        return json.loads(content(self.folder + '/.quire/stats'))

    def counters(self):
        return self.stats()['counters']

    def settle(self):
        """Waits until nothing happens in it any more."""
        last, looks = None, 0
        while looks < LOOKS_AT_REST:
            stats = self.stats()
            now = (stats['counters'], stats['parked_requests'], stats['plan'], stats['push']['samples'])
            looks = looks + 1 if now == last else 0
            last = now

    def plan(self, names):
        with open(self.folder + '/.quire/plan', 'w') as pipe:
            pipe.writelines(name + '\n' for name in names)

    def stats_or_none(self, seconds=5):
        """For a mount that may hang."""
        found = []

        def read():
            with contextlib.suppress(OSError):
                found.append(content(self.folder + '/.quire/stats').decode())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(seconds)
        return found[0] if found else None


def abort(connections):
    """Ends connections of FUSE: everything that waits for their daemons gets an error."""
    if not os.path.ismount(CONNECTIONS):
        subprocess.run(['mount', '-t', 'fusectl', 'none', CONNECTIONS], check=False)
    for connection in connections:
        with contextlib.suppress(OSError), open(f'{CONNECTIONS}/{connection}/abort', 'w') as file:
            file.write('1')


@contextlib.contextmanager
def aborted_on_failure(mount):
    """What fails inside tells what the mount counted, and leaves nothing that hangs."""
    try:
        yield
    except BaseException:
        print(mount.stats_or_none() or 'the mount does not tell its stats', flush=True)
        abort([mount.connection])
        raise
