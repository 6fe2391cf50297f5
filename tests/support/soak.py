#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many readers and everything that disturbs them, for a while; every byte is compared with the tree, and nobody may
come to a standstill.

    soak.py TREE MOUNT [--seconds N] [--readers N] [--seed N] [--drop-caches] [--remount PACK --options OPTIONS...]
            [--trend DAEMON [--chart SVG]]

Each worker is a process that tells when it gets on. One that does not for STANDSTILL_S seconds ends the run: what the
mount counted and where its threads wait is printed, and all its connections are ended, since nothing else ends a read
that is never answered. With --remount the mount is taken away lazily and made anew, with the next of the options, again
and again; $QUIRE is the program. With --trend what the process DAEMON holds must be flat, and --chart shows it by $DRAW_CHART.
0: all went well. 1: something did not, and the output says what."""
import argparse
import errno
import json
import mmap
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import time

from process_trend import Trend
from scenario import STATS_AGE_S, Mount, abort, content, sample_names

# The slowest disk of the tests answers within 0.4 s, and a read waits for a few dozen others: 30 s are no slowness.
STANDSTILL_S = 30
# Of the kernel's page cache what readers have read is dropped again so often, or the mount would not be asked any more.
DROP_SHARE = 0.8
DROP_EVERY_S = 0.5
REMOUNT_EVERY_S = 3
# Writing a plan waits for the daemon to read 64 KiB at a time (fs/PLANS.md), and never for the disk.
PLAN_S = 10
CHUNKS = (4096, 65536, 131072, 1 << 20)
LOOKS = 400  # at what the daemon holds
# What a mount tells that is gone, or not there yet. Only while it is being made anew is that no fault.
GONE = (errno.ENOENT, errno.ENOTCONN)


class Wrong(Exception):
    pass


class Soak:
    """What the workers share. Arrays have a place for each worker."""

    def __init__(self, arguments, workers):
        self.tree, self.mount = arguments.tree, arguments.mount
        self.seed, self.readers = arguments.seed, arguments.readers
        self.names = sample_names(self.tree)
        # Shared by fork, so no disk is asked again.
        self.contents = [content(f'{self.tree}/{name}') for name in self.names]
        # Memory for reads of single samples is soon full of these. REQUIRES: the tree has five of them.
        self.large = [number for number, data in enumerate(self.contents) if 300_000 < len(data) < 1_900_000]
        self.got_on_at = multiprocessing.Array('d', [time.monotonic()] * workers, lock=False)
        self.opens = multiprocessing.Array('q', arguments.readers, lock=False)
        self.reading = multiprocessing.Array('q', arguments.readers, lock=False)  # the sample of each reader
        self.mounts = multiprocessing.Value('q', 0)  # odd while it is made anew
        self.lost_plans = multiprocessing.Value('q', 0)
        self.is_over = multiprocessing.Event()
        self.faults = multiprocessing.SimpleQueue()

    def path(self, number):
        return f'{self.mount}/{self.names[number]}'

    def is_stuck(self, worker):
        return worker.process.is_alive() and time.monotonic() - self.got_on_at[worker.place] > STANDSTILL_S

    def was_mounted_since(self, mounts):
        """Whether it was mounted all the time since `self.mounts` had that value."""
        return mounts % 2 == 0 and mounts == self.mounts.value


def raise_timeout(*_):
    raise TimeoutError('it still waits')


class Worker:
    """One of them, in its own process: repeats `work` until the soak is over."""

    def __init__(self, soak, place, name, work):
        self.soak, self.place, self.name = soak, place, name
        self.work = work
        self.chance = random.Random(f'{soak.seed} {name}')
        self.process = multiprocessing.Process(target=self.run, name=name, daemon=True)

    def get_on(self):
        self.soak.got_on_at[self.place] = time.monotonic()

    def pause(self, seconds):
        self.soak.is_over.wait(seconds)
        self.get_on()

    def run(self):
        signal.signal(signal.SIGALRM, raise_timeout)
        try:
            while not self.soak.is_over.is_set():
                mounts = self.soak.mounts.value
                try:
                    self.work(self)
                except OSError as error:
                    if error.errno not in GONE or self.soak.was_mounted_since(mounts):
                        raise
                    self.pause(0.01)
                self.get_on()
        except BaseException as fault:  # also what is wrong in here: no worker ends unheard
            self.soak.faults.put(f'{self.name}: {type(fault).__name__}: {fault}')


def compare(soak, number, at, data, what):
    if data != soak.contents[number][at:at + len(data)]:
        raise Wrong(f'{soak.names[number]}: wrong bytes in {len(data)} at {at}, {what}')


def read_whole(worker, number, handle):
    soak, at = worker.soak, 0
    while data := os.read(handle, worker.chance.choice(CHUNKS)):
        worker.get_on()
        compare(soak, number, at, data, 'by read')
        at += len(data)
    if at != len(soak.contents[number]):
        raise Wrong(f'{soak.names[number]}: {at} bytes instead of {len(soak.contents[number])}')


def read_piece(worker, number, handle):
    size = len(worker.soak.contents[number])
    at, length = worker.chance.randrange(size), worker.chance.randrange(1, 400_000)
    data = os.pread(handle, length, at)
    compare(worker.soak, number, at, data, 'by pread')
    if len(data) != min(length, size - at):
        raise Wrong(f'{worker.soak.names[number]}: {len(data)} bytes of {length} at {at}')


def read_mapped(worker, number, handle):
    with mmap.mmap(handle, 0, prot=mmap.PROT_READ) as mapped:
        at = worker.chance.randrange(len(mapped))
        compare(worker.soak, number, at, mapped[at:at + 100_000], 'by mmap')


def read_samples(worker):
    """One at random or, seldom, a run of neighbours, as loaders of shards have it."""
    soak, chance = worker.soak, worker.chance
    first = chance.randrange(len(soak.names))
    for number in range(first, min(first + (20 if chance.random() < 0.05 else 1), len(soak.names))):
        soak.reading[worker.place] = number
        handle = os.open(soak.path(number), os.O_RDONLY)
        soak.opens[worker.place] += 1
        try:
            read = chance.choices((read_whole, read_piece, read_mapped), (80, 15, 5))[0]
            read(worker, number, handle)
            if chance.random() < DROP_SHARE:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
        worker.get_on()


def tell_plans(worker):
    """Plans of what is read at this moment, behind a few samples that fill the memory of plans; now and then an epoch."""
    soak, chance = worker.soak, worker.chance
    pending = list(dict.fromkeys(soak.reading))
    chance.shuffle(pending)
    order = chance.sample(soak.large, chance.randrange(2, 6)) + pending
    order += chance.sample(range(len(soak.names)), 40 if chance.random() < 0.9 else len(soak.names))
    mounts = soak.mounts.value
    signal.setitimer(signal.ITIMER_REAL, PLAN_S)
    try:
        with open(soak.mount + '/.quire/plan', 'w') as pipe:
            pipe.writelines(soak.names[number] + '\n' for number in order)
    except (BrokenPipeError, TimeoutError):
        # The daemon opens the pipe by its path, so it does not find that of a mount which was taken away in between.
        if soak.was_mounted_since(mounts):
            raise
        soak.lost_plans.value += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    worker.pause(chance.random() * 2)


def read_stats(worker):
    stats = json.loads(content(worker.soak.mount + '/.quire/stats'))
    counts = stats | stats['counters']
    faults = {name: counts[name] for name in ('verify_failures', 'read_errors', 'failed_requests')}
    if any(faults.values()):
        raise Wrong(f'the mount counts {faults}')
    worker.pause(STATS_AGE_S)


def list_all(worker):
    """All names and sizes, as in the tree."""
    soak, found, mounts = worker.soak, {}, worker.soak.mounts.value

    def refuse(error):
        raise error

    for folder, _, names in os.walk(soak.mount, onerror=refuse):
        for name in names:
            path = f'{folder}/{name}'
            status = os.lstat(path)
            found[os.path.relpath(path, soak.mount)] = status.st_size if stat.S_ISREG(status.st_mode) else None
        worker.get_on()
    # Between two mounts there is an empty folder.
    if found != dict(zip(soak.names, map(len, soak.contents))) and soak.was_mounted_since(mounts):
        raise Wrong('a listing differs from the tree')
    worker.pause(0.2)


def drop_caches(worker):
    with open('/proc/sys/vm/drop_caches', 'w') as file:
        file.write(str(worker.chance.choice((1, 1, 2, 3))))
    worker.pause(DROP_EVERY_S)


class Remounter:
    """Takes the mount away, and makes it anew with the next options."""

    def __init__(self, soak, arguments):
        self.soak, self.pack, self.options = soak, arguments.remount, arguments.options
        self.connections = multiprocessing.SimpleQueue()  # of all mounts that it made

    def __call__(self, worker):
        worker.pause(REMOUNT_EVERY_S)
        if self.soak.is_over.is_set():
            return
        self.soak.mounts.value += 1
        subprocess.run(['umount', '-l', self.soak.mount], check=True)
        options = self.options[self.soak.mounts.value // 2 % len(self.options)]
        subprocess.run([os.environ['QUIRE'], 'mount', self.pack, self.soak.mount, '-o', options], check=True)
        self.connections.put(Mount(self.soak.mount).connection)
        self.soak.mounts.value += 1


def watch(soak, workers, until, trend):
    """The first fault, or none."""
    while True:
        if trend and not soak.is_over.is_set():
            trend.look()
        if not soak.faults.empty():
            return soak.faults.get()
        alive = [worker for worker in workers if worker.process.is_alive()]
        if stuck := [worker.name for worker in alive if soak.is_stuck(worker)]:
            return f'no progress for {STANDSTILL_S} s: {", ".join(stuck)}'
        if time.monotonic() > until:
            soak.is_over.set()
            if not alive:
                return None
        elif len(alive) < len(workers) and soak.faults.empty():
            return f'ended: {", ".join(worker.name for worker in workers if worker not in alive)}'
        time.sleep(0.2)


def describe(process, what):
    """Where the threads of a process wait."""
    print(f'{what}, process {process}')
    tasks = f'/proc/{process}/task'
    try:
        for task in sorted(os.listdir(tasks), key=int):
            print(f'  {content(f"{tasks}/{task}/comm").decode().strip()}: ' +
                  ' '.join(line.split()[-1] for line in content(f'{tasks}/{task}/stack').decode().splitlines()[:4]))
    except OSError:
        pass  # it has ended, or only root may see


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('tree')
    parser.add_argument('mount')
    parser.add_argument('--seconds', type=float, default=20)
    parser.add_argument('--readers', type=int, default=64)
    parser.add_argument('--seed', default=str(time.time_ns()))
    parser.add_argument('--drop-caches', action='store_true')
    parser.add_argument('--remount', metavar='PACK')
    parser.add_argument('--options', nargs='+')
    parser.add_argument('--trend', metavar='DAEMON', type=int)
    parser.add_argument('--chart', metavar='SVG')
    arguments = parser.parse_args()

    multiprocessing.set_start_method('fork')  # workers share the contents of the tree, which is no default any more
    works = {f'reader {number}': read_samples for number in range(arguments.readers)}
    works |= {'planner': tell_plans, 'stats': read_stats, 'lister': list_all}
    soak = Soak(arguments, len(works) + 2)
    mount = Mount(arguments.mount)
    remounter = Remounter(soak, arguments) if arguments.remount else None
    if arguments.drop_caches:
        works['dropper'] = drop_caches
    if remounter:
        works['remounter'] = remounter  # the last one
    workers = [Worker(soak, place, name, work) for place, (name, work) in enumerate(works.items())]
    for worker in workers:
        worker.process.start()
    trend = Trend(arguments.trend, arguments.seconds / LOOKS) if arguments.trend else None
    fault = watch(soak, workers, time.monotonic() + arguments.seconds, trend)

    done = f'{sum(soak.opens)} opens by {arguments.readers} readers, {sum(soak.opens) // len(soak.names)} epochs, ' \
        f'{soak.mounts.value // 2} mounts made anew, {soak.lost_plans.value} plans lost to a mount that was taken away'
    if trend and fault is None:
        fault = trend.fault()
        done += f', the daemon has {trend.describe()}'
        if arguments.chart:
            trend.draw(os.environ['DRAW_CHART'], arguments.chart, f'What the daemon of {arguments.readers} readers holds')
    if fault is None:
        print(f'{done}: all bytes right')
        return 0
    print(mount.stats_or_none() or 'the mount does not tell its stats')
    for worker in workers:
        if soak.is_stuck(worker):
            describe(worker.process.pid, worker.name)
    daemons = subprocess.run(['pgrep', '-f', f'quire mount.*{arguments.mount}'], capture_output=True, text=True)
    for process in daemons.stdout.split():
        describe(process, 'daemon')
    soak.is_over.set()
    if remounter:
        workers[-1].process.join(REMOUNT_EVERY_S + STANDSTILL_S)  # what it is mounting must not come after the end
    connections = {mount.connection}
    while remounter and not remounter.connections.empty():
        connections.add(remounter.connections.get())
    abort(connections)
    for worker in workers:
        worker.process.kill()
    print(f'{done}, seed {arguments.seed}: {fault}', flush=True)
    return 1


if __name__ == '__main__':
    sys.exit(main())
