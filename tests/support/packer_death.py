#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lets packers die, and fail, in every way and at every moment: under the name of the pack is the old one, the new one, or
nothing where there was nothing; and the next packer leaves nothing else in the folder.

    packer_death.py kills|times|errors|power|limits|room QUIRE SCRATCH SEED SECONDS FOLDER

FOLDER is an empty one, on the file system that is tried; SCRATCH is made, for what is packed. `kills` ends packers at their
system calls, `times` at random moments; `errors` lets calls fail; `power` replays what a packer did up to a power cut
(power_loss.py); `limits` gives files a largest length (RLIMIT_FSIZE), and `room` fills the file system up to a rest. The last
lines are counts: COUNT, a tab, and what was tried."""
import collections
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import power_loss
from pack_layout import Damage, Layout

LIMIT_S = 300
OUT, BESIDE = 'out.quire', 'beside.quire'
# Those that change what is in the folder: each is tried always.
NAMING = 'linkat renameat renameat2 unlinkat unlink fsync'.split()
OTHERS = 'openat fallocate pwrite64 flock close mmap'.split()
ERRORS = {'fallocate': ('ENOSPC', 'EIO'), 'pwrite64': ('ENOSPC', 'EDQUOT', 'EIO'), 'fsync': ('EIO', 'ENOSPC', 'EDQUOT'),
          'linkat': ('ENOSPC', 'EIO', 'EPERM'), 'renameat': ('ENOSPC', 'EIO', 'EROFS')}
TEMPORARY = re.compile(r'\.quire-[0-9a-f]{24}(-.*)?')


class Wrong(Exception):
    """Something that a packer must not do."""


def content(path):
    with open(path, 'rb') as file:
        return file.read()


def make_tree(folder, seed, files, size):
    chance = random.Random(seed)
    for number in range(files):
        os.makedirs(f'{folder}/{number % 3}', exist_ok=True)
        with open(f'{folder}/{number % 3}/{number}', 'wb') as file:
            file.write(chance.randbytes(size))
    os.symlink('0/0', f'{folder}/link')
    for path, _, names in os.walk(folder, topdown=False):
        for name in names + ['.']:
            os.utime(f'{path}/{name}', (1e9, 1e9), follow_symlinks=False)


class Site:
    """A folder that packs are written to. `new` are the bytes that the tree makes, `old` those of another pack."""

    def __init__(self, quire, scratch, folder, files, size):
        self.quire, self.scratch, self.folder = quire, scratch, folder
        self.out = f'{folder}/{OUT}'
        self.tree = f'{scratch}/tree'
        make_tree(self.tree, 1, files, size)
        make_tree(f'{scratch}/old', 2, 9, 3000)
        self.new = self.pack_elsewhere(self.tree)
        self.old = self.pack_elsewhere(f'{scratch}/old')
        self.layout = Layout(self.new)
        self.counts = collections.Counter()

    def pack_elsewhere(self, tree):
        path = f'{self.scratch}/made.quire'
        subprocess.run([self.quire, 'pack', '-q', '--force', tree, '-o', path], check=True)
        return content(path)

    def command(self):
        return [self.quire, 'pack', '--progress', 'never', '--force', self.tree, '-o', self.out]

    def prepare(self, has_old):
        for name in os.listdir(self.folder):
            if name != 'lost+found' and name != 'fill':
                os.unlink(f'{self.folder}/{name}')
        for name, data in ((BESIDE, self.old), (OUT, self.old)) if has_old else ((BESIDE, self.old),):
            with open(f'{self.folder}/{name}', 'wb') as file:
                file.write(data)

    def others(self):
        """What else is there. libfuse shows a file that was removed until the last program has closed it, a moment later."""
        end = time.monotonic() + LIMIT_S
        while any(name.startswith('.fuse_hidden') for name in os.listdir(self.folder)) and time.monotonic() < end:
            time.sleep(0.01)
        return sorted(set(os.listdir(self.folder)) - {OUT, BESIDE, 'lost+found', 'fill'})

    def state(self):
        if not os.path.lexists(self.out):
            return 'nothing'
        found = content(self.out)
        return 'new' if found == self.new else 'old' if found == self.old else f'{len(found)} other bytes'

    def check(self, has_old, must_be_new=False):
        state = self.state()
        allowed = {'new'} if must_be_new else {'new', 'old' if has_old else 'nothing'}
        if state not in allowed and not (state == '0 other bytes' and not has_old and self.is_claimed()):
            raise Wrong(f'there is {state}, and beside it {self.others()}')
        if content(f'{self.folder}/{BESIDE}') != self.old:
            raise Wrong('another pack has changed')
        strange = [name for name in self.others() if not TEMPORARY.fullmatch(name)]
        if strange:
            raise Wrong(f'there are also {strange}')

    def is_claimed(self):
        """Where files can neither be linked nor renamed without replacing, the name is taken by an empty file, and the
        whole pack lies beside it: for a moment."""
        return any(content(f'{self.folder}/{name}') == self.new for name in self.others())

    def next_run(self):
        """Leaves nothing but the pack, or says what it left: a pack that is whole."""
        done = subprocess.run(self.command(), capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode != 0:
            raise Wrong(f'the next run fails: {done.stderr}')
        self.check(True, must_be_new=True)
        for name in self.others():
            if content(f'{self.folder}/{name}') not in (self.new, self.old):
                raise Wrong(f'the next run leaves {name}, which is no whole pack')
            if f'{name} is a finished pack' not in done.stderr:
                raise Wrong(f'the next run does not tell of {name}: {done.stderr}')
            self.counts['whole packs that the next run named'] += 1

    def opens_as_new(self, data):
        """Whether a reader takes this for a pack. Then all that has a sum is there."""
        path = f'{self.scratch}/opened.quire'
        with open(path, 'wb') as file:
            file.write(data)
        done = subprocess.run([self.quire, 'verify', '-q', path], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode not in (0, 1):
            raise Wrong(f'verify: exit status {done.returncode}: {done.stderr}')
        if done.returncode == 0 and (len(data) < self.layout.end or Damage(self.layout, data).is_covered):
            raise Wrong('verify finds nothing in a pack that is not whole')
        listed = subprocess.run([self.quire, 'ls', '-lR', path], capture_output=True, timeout=LIMIT_S, check=False)
        if (listed.returncode == 0) != (done.returncode == 0):
            raise Wrong(f'ls: {listed.returncode}, verify: {done.returncode}: {listed.stderr}')
        return done.returncode == 0


def traced(site, call, injection, number):
    """Runs a packer whose `number`-th such call is tampered with: its exit status, negative for a signal, and its words."""
    done = subprocess.run(['strace', '-f', '-qq', '-o', '/dev/null', '-e', f'trace={call}', '-e',
                           f'inject={call}:{injection}:when={number}', *site.command()],
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stderr


def calls_of(site, has_old):
    """How often a thread of a packer makes each call, at most: that is how strace counts."""
    site.prepare(has_old)
    trace = f'{site.scratch}/trace'
    subprocess.run(['strace', '-f', '-qq', '-o', trace, '-e', f'trace={",".join(NAMING + OTHERS)}', *site.command()],
                   stdout=subprocess.DEVNULL, timeout=LIMIT_S, check=True)
    counts = collections.Counter()
    with open(trace, encoding='ascii', errors='replace') as lines:
        for line in lines:
            if match := re.match(r'(\d+) +(\w+)\(', line):
                counts[match.groups()] += 1
    most = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most


def moments(site, has_old, calls, chance, end):
    """(call, number) to be tried until `end`: those that name things first, then others, in an order drawn anew."""
    counts = calls_of(site, has_old)
    first = [(call, number) for call in calls if call in NAMING for number in range(1, counts[call] + 1)]
    rest = [(call, number) for call in calls if call not in NAMING for number in range(1, counts[call] + 1)]
    chance.shuffle(first)
    chance.shuffle(rest)
    yield from first
    for moment in rest:
        if time.monotonic() > end:
            return
        yield moment


def kill_at_calls(site, chance, seconds):
    for has_old in (False, True):
        for call, number in moments(site, has_old, NAMING + OTHERS, chance, time.monotonic() + seconds / 2):
            site.prepare(has_old)
            status, told = traced(site, call, 'signal=KILL', number)
            try:
                if status not in (0, -signal.SIGKILL, 128 + signal.SIGKILL):
                    raise Wrong(f'exit status {status}: {told}')
                site.check(has_old, must_be_new=status == 0)
                site.next_run()
            except Wrong as wrong:
                raise Wrong(f'killed at {call} number {number}, old pack: {has_old}: {wrong}') from wrong
            site.counts['kills of a packer at a system call'] += status != 0


def kill_at_times(site, chance, seconds):
    begin = time.monotonic()
    site.prepare(False)
    subprocess.run(site.command(), stdout=subprocess.DEVNULL, timeout=LIMIT_S, check=True)
    takes, end = time.monotonic() - begin, time.monotonic() + seconds
    while time.monotonic() < end:
        has_old, delay = chance.random() < 0.5, chance.uniform(0, takes)
        site.prepare(has_old)
        packer = subprocess.Popen(site.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            packer.wait(delay)
            takes *= 0.95
        except subprocess.TimeoutExpired:
            packer.kill()
        status = packer.wait()
        try:
            site.check(has_old, must_be_new=status == 0)
            if chance.random() < 0.3:
                site.next_run()
        except Wrong as wrong:
            raise Wrong(f'killed after {delay:.4f} s, old pack: {has_old}: {wrong}') from wrong
        site.counts['kills of a packer at a random moment'] += status != 0


def fails_cleanly(site, has_old, status, told, cause):
    """A packer that could not end its work, but was let live, says why and leaves nothing, or says where the pack is."""
    if status == 0:
        site.check(has_old, must_be_new=True)
    elif status != 1:
        raise Wrong(f'exit status {status}: {told}')
    elif not re.search(cause, told, re.IGNORECASE):
        raise Wrong(f'the message does not name the cause: {told}')
    site.check(has_old)
    for name in site.others():
        if not re.search(f'kept as .*{re.escape(name)}', told) or content(f'{site.folder}/{name}') != site.new:
            raise Wrong(f'{name} is left: {told}')


def errors_at_calls(site, chance, seconds):
    causes = {'ENOSPC': 'no space left', 'EIO': 'input/output error', 'EDQUOT': 'disk quota exceeded',
              'EPERM': 'operation not permitted', 'EROFS': 'read-only file system'}
    for has_old in (False, True):
        for call, number in moments(site, has_old, list(ERRORS), chance, time.monotonic() + seconds / 2):
            error = chance.choice(ERRORS[call])
            site.prepare(has_old)
            status, told = traced(site, call, f'error={error}', number)
            try:
                fails_cleanly(site, has_old, status, told, causes[error])
            except Wrong as wrong:
                raise Wrong(f'{error} of {call} number {number}, old pack: {has_old}: {wrong}') from wrong
            site.counts['calls of a packer that failed'] += 1


def lose_power(site, chance, seconds):
    end = time.monotonic() + seconds
    for has_old in (False, True):
        site.prepare(has_old)
        before = {name: content(f'{site.folder}/{name}') for name in os.listdir(site.folder) if name in (OUT, BESIDE)}
        trace = f'{site.scratch}/trace'
        subprocess.run([*power_loss.STRACE, '-o', trace, *site.command()], stdout=subprocess.DEVNULL, timeout=LIMIT_S,
                       check=True)
        recording = power_loss.Recording(trace, site.folder, before)
        if recording.state(1 << 40, 1)[0].get(OUT) != site.new:
            raise Wrong('what was recorded does not make the pack that was written')
        if recording.state(1 << 40, 0)[0].get(OUT) != site.new:
            raise Wrong('a packer that reports success left the pack, or its name, to be written later')
        replay(site, recording, has_old, chance, (end - time.monotonic()) / (1 if has_old else 2))


def replay(site, recording, has_old, chance, seconds):
    end, seen = time.monotonic() + seconds, set()
    draws = [(moment, kept) for moment in recording.moments() for kept in (0, 1)]
    while True:
        for moment, kept in draws:
            names, unnamed = recording.state(moment, kept)
            site.counts['power cuts replayed'] += 1
            try:
                look_at(site, names, unnamed, has_old, seen, chance)
            except Wrong as wrong:
                raise Wrong(f'power lost before line {moment + 1} of {site.scratch}/trace, old pack: {has_old}: {wrong}') \
                    from wrong
        if time.monotonic() > end:
            return
        draws = [(moment, chance) for moment in recording.moments()]


def look_at(site, names, unnamed, has_old, seen, chance):
    out = names.get(OUT)
    is_claimed = out == b'' and not has_old and any(data == site.new for name, data in names.items() if name != OUT)
    if not is_claimed and out not in ((site.old if has_old else None), site.new):
        raise Wrong(f'the pack has {len(out) if out is not None else "no"} bytes, neither the old ones nor the new ones')
    if names[BESIDE] != site.old:
        raise Wrong('another pack has changed')
    others = [data for name, data in names.items() if name not in (OUT, BESIDE)]
    for data in others + unnamed:
        if data not in seen:
            seen.add(data)
            site.opens_as_new(data)
            site.counts['files as a power cut leaves them, opened'] += 1
    if others and chance.random() < 0.1:
        site.prepare(False)
        for name, data in names.items():
            with open(f'{site.folder}/{name}', 'wb') as file:
                file.write(data)
        site.next_run()


def limit_files(site, chance, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        has_old, most = chance.random() < 0.5, chance.randrange(int(1.1 * len(site.new)))
        site.prepare(has_old)
        done = subprocess.run(site.command(), capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        try:
            fails_cleanly(site, has_old, done.returncode, done.stderr, 'file too large')
        except Wrong as wrong:
            raise Wrong(f'files of at most {most} bytes, old pack: {has_old}: {wrong}') from wrong
        site.counts['packers whose files may not be so long'] += done.returncode != 0


def free_bytes(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def leave_room(site, chance, seconds):
    """Fills the file system up to a rest, from nothing to a little more than a packer needs."""
    fill, end = f'{site.folder}/fill', time.monotonic() + seconds
    while time.monotonic() < end:
        has_old = chance.random() < 0.5
        if os.path.exists(fill):
            os.unlink(fill)
        site.prepare(has_old)
        room = chance.choice((chance.randrange(2 * len(site.new)), len(site.new) + 4096 * chance.randrange(-40, 500)))
        with open(fill, 'wb') as file:
            size = max(free_bytes(site.folder) - room, 4096)
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                    break
                except OSError:
                    size -= size // 64 + 4096  # blocks of the file system's own
        done = subprocess.run(site.command(), capture_output=True, text=True, timeout=LIMIT_S, check=False)
        try:
            fails_cleanly(site, has_old, done.returncode, done.stderr, 'no space left|disk quota exceeded')
        except Wrong as wrong:
            raise Wrong(f'{room} bytes of room, old pack: {has_old}: {wrong}') from wrong
        site.counts['packers that had no room'] += done.returncode != 0
        site.counts['packers that had just enough room'] += done.returncode == 0
    os.unlink(fill)


def main(what, quire, scratch, seed, seconds, folder):
    chance, seconds = random.Random(int(seed)), float(seconds)
    os.makedirs(scratch)
    small, large = (25, 100_000), (400, 100_000)
    site = Site(quire, scratch, folder, *(large if what == 'times' else small))
    try:
        {'kills': kill_at_calls, 'times': kill_at_times, 'errors': errors_at_calls, 'power': lose_power,
         'limits': limit_files, 'room': leave_room}[what](site, chance, seconds)
    except Wrong as wrong:
        sys.exit(f'{what} in {folder}, seed {seed}: {wrong}')
    site.prepare(False)
    os.unlink(f'{folder}/{BESIDE}')
    shutil.rmtree(scratch)
    for tried, count in site.counts.items():
        print(f'{count}\t{tried}')


if __name__ == '__main__':
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
