# SPDX-License-Identifier: Apache-2.0
"""One measurement each: an experiment on a contestant, by `quire bench`, fio, torch or strace. Returns rows for the JSON file,
in which all fields of `quire bench` are kept."""
import contextlib
import json
import os
import random
import subprocess
import tempfile
import time

import figures
from environment import QUIRE, REPOSITORY, SCRATCH, STORE_EPOCH, drop_caches
from limits import Limits, disk_of
from messages import traced
from mounts import children, mounted

WARM_UP_LIMIT_S = 60
META_LIMIT_S = 120
META_LOOKUPS = 20_000
IMAGEFOLDER_LIMIT_S = 180
PLAN_GRACE_S = 1  # an epoch of a small tree may be over before a mount has opened its pipe
CORE_DATASETS = ('million',)  # which takes minutes to make, to check and to walk
MEMORY_EPOCHS = 4
FIO_SECONDS = 2
FIO_PASS_LIMIT_S = 5
FIO_MOMENTS = ('fio_start_bytes_per_second', 'fio_middle_bytes_per_second', 'fio_end_bytes_per_second')  # of a round
FOR_MAIN = ('cold_path', 'cold_walk', 'memory', 'imagefolder', 'messages', 'one_class', 'one_file', 'neighbour',
            'memory_follow')
OF_FILESYSTEMS = ('cold_walk', 'meta', 'imagefolder', 'one_class', 'one_file')
OF_DAEMONS = ('messages', 'memory_follow')
HARDLY_ANYTHING = 0.1  # of the samples, read before the limit: not worth another step

# A mount has come to rest that asked for less than a mebibyte in a quarter of a second: what it reads ahead comes a hundred
# times as fast. One that would read a whole data set unasked gets as long for it as an epoch has.
REST_BYTES, REST_S, REST_LIMIT_S = 1 << 20, 0.25, 20
SECTOR_BYTES = 512  # of /sys/dev/block/*/stat, whatever the disk's own are
RESIDENT_EVERY_S = 0.02  # an epoch of image takes a hundred times as long
RESIDENT_AFTER_S = 10

READ_BY_STORE_EPOCH = ('.tar', '.zip', '.lmdb')
FIO_COPY = 'fio'  # the ending of the name of the copy of the pack that fio reads
SEQUENTIAL = ['--rw=read', '--iodepth=8']
DISK_ACCESSES = {  # what fio is told; O_DIRECT, so that nothing is cached
    'sequential, 1 MiB, 8 at a time': [*SEQUENTIAL, '--bs=1M'],
    'random, 128 KiB': ['--rw=randread', '--bs=128k', '--iodepth=32'],
    'random, 4 KiB': ['--rw=randread', '--bs=4k', '--iodepth=32'],
    # What one reader of small files that come one by one cannot exceed.
    'random, 4 KiB, one at a time': ['--rw=randread', '--bs=4k', '--iodepth=1'],
}


class TooSlow(Exception):
    pass


class Unseen(TooSlow):
    """No figure either, and for another reason."""


class Failed(Exception):
    pass


@contextlib.contextmanager
def started(command, limits):
    """A process that ends with the body at the latest."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=limits.join)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer_of(process, limit_s):
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise TooSlow(f'not done after {limit_s} s') from None
    if process.returncode != 0:
        raise Failed(f'{" ".join(process.args)}: exit status {process.returncode}\n{errors.strip()[-2000:]}')
    return json.loads(output)


def run(command, limits, limit_s):
    with started(command, limits) as process:
        return answer_of(process, limit_s)


class Measuring:
    """On one data set. `fio_block`: what fio reads at a time in rounds of cold epochs; None: no fio. `neighbour`: the tree of
    the other program, where the experiment of that name is made."""

    def __init__(self, tree, image_of, mnt, limits, limit_s, fio_block=None, neighbour=None):
        self.tree, self.image_of, self.mnt, self.limits, self.limit_s = tree, image_of, mnt, limits, limit_s
        self.fio_block, self.neighbour_tree = fio_block, neighbour

    def mounted(self, contestant):
        return mounted(contestant, self.image_of(contestant.ending()), self.mnt, self.limits)

    def bench(self, kind, target, *options):
        program = [STORE_EPOCH] if target.endswith(READ_BY_STORE_EPOCH) else [QUIRE, 'bench']
        return started([*program, kind, target, *map(str, options), '--json', '-'], self.limits)

    def epochs_started(self, target, epochs, readers, order, seed, *options, limit_s=None):
        return self.bench('epoch', target, '--epochs', epochs, '--threads', readers, '--order', order, '--seed', seed,
                          '--limit', limit_s or self.limit_s, *options)

    def epochs(self, target, epochs, *arguments, limit_s=None):
        with self.epochs_started(target, epochs, *arguments, limit_s=limit_s) as process:
            return results_of(process, self.tree, epochs, limit_s or self.limit_s)

    def cold(self, contestant, readers, order, turn, *options, limit_s=None):
        rows = []
        for count in readers:
            with self.mounted(contestant) as target:  # anew, so that a daemon's caches are empty as well
                # Listed by readdir alone, unless `options` say otherwise: looking at attributes as well brings small files into
                # memory where data lies beside inodes (EROFS: 101,000 files a second afterwards instead of 10,000; kernel
                # squashfs 5,500, not 1,200).
                before = asked_bytes()
                for result in self.epochs(target, 1, count, order, turn + 1, '--cold', *options, limit_s=limit_s):
                    rows.append({**result, 'readers': count, 'asked_bytes': asked_bytes() - before})
        return rows

    def cold_path(self, contestant, readers, order, turn):
        return self.cold(contestant, readers, 'path', turn)

    def cold_walk(self, contestant, readers, order, turn):
        return self.cold(contestant, readers, order, turn, '--list', 'stat')

    def warm(self, contestant, readers, order, turn):
        drop_caches()  # those of the contestant before, so that there is room
        with self.mounted(contestant) as target:
            # In path order, which is the quickest for all; whoever cannot read the tree once has no warm figures.
            first = self.epochs(target, 1, 2, 'path', 1, limit_s=WARM_UP_LIMIT_S)[0]
            if not first['complete']:
                raise TooSlow(f'{first["samples"]} files in {WARM_UP_LIMIT_S} s')
            return [{**self.epochs(target, 2, count, order, turn + 1)[-1], 'readers': count} for count in readers]

    def meta(self, contestant, readers, order, turn):
        with self.mounted(contestant) as target:
            with self.bench('meta', target, '--cold', '--seed', turn + 1, '--lookups', META_LOOKUPS) as process:
                rows = answer_of(process, META_LIMIT_S)['results']
        # A release before 0.3 tells what was done before as the label.
        return [{'prepared': {'cold': 'caches dropped', 'warm': 'the same before'}.get(row['cache']), **row} for row in rows]

    def memory(self, contestant, readers, order, turn):
        """Epochs in a row in one mount, each in another order, which some mounts are told before."""
        rows = []
        options = ['--plan'] if contestant.told_order else []
        for count in readers:
            drop_caches()  # whoever read the files before has them in a cache outside the limit
            with self.mounted(contestant) as target:
                for epoch in range(MEMORY_EPOCHS):
                    before, asked_before = counters(target), asked_bytes()
                    [result] = self.epochs(target, 1, count, order, turn * MEMORY_EPOCHS + epoch + 1, *options)
                    if contestant.told_order and not result['planned_samples'] and result['seconds'] > PLAN_GRACE_S:
                        raise Failed(f'{target}: its .quire/plan was read by nobody')
                    row = {**result, 'epoch': epoch + 1, 'readers': count, 'asked_bytes': asked_bytes() - asked_before}
                    if before:
                        row['counters'] = figures.difference(counters(target), before)
                    rows.append(row)
        return rows

    plan = memory

    def imagefolder(self, contestant, readers, order, turn):
        """Two rows, for finding the images and for the epoch. `readers`: numbers of worker processes."""
        rows = []
        for count in readers:
            with self.mounted(contestant) as target:
                parts = run([f'{REPOSITORY}/tests/bench/imagefolder_epoch.py', target, '--workers', str(count),
                             '--seed', str(turn + 1)], self.limits, IMAGEFOLDER_LIMIT_S)['results']
            if any(part['samples'] != len(self.tree.paths) for part in parts):
                raise Failed(f'{contestant.name}: {parts}; the tree has {len(self.tree.paths)} images')
            rows += [{**part, 'readers': count} for part in parts]
        return rows

    def messages(self, contestant, readers, order, turn):
        """Of two epochs: of a warm one after a whole one, and of a cold one after a list by readdir. One reader."""
        rows = []
        for cache in ('warm', 'cold'):
            with self.mounted(contestant) as target:
                [daemon] = children()
                drop_caches()
                if cache == 'warm':
                    self.epochs(target, 1, 2, 'path', 1, limit_s=WARM_UP_LIMIT_S)
                else:
                    for _ in os.walk(target):
                        pass
                before = counters(target)
                with traced(daemon) as counted:
                    samples = read_samples(target, self.tree.paths, turn, self.limit_s)
                if cache == 'cold' and counted.requests + counted.notifications == 0:  # by which no byte could have come
                    raise Unseen('its messages do not go through reads and writes of /dev/fuse')
                row = {'cache': cache, 'readers': 1, 'samples': samples, 'complete': samples == len(self.tree.paths),
                       'requests': counted.requests, 'replies': counted.replies, 'notifications': counted.notifications,
                       'operations': counted.operations}
                if before:
                    row['counters'] = figures.difference(counters(target), before)
                rows.append(row)
        return rows

    def one_class(self, contestant, readers, order, turn):
        """All files of one folder, in random order, by one reader."""
        folder = random.Random(turn).choice(sorted({os.path.dirname(path) for path in self.tree.paths}))
        numbers = [number for number, path in enumerate(self.tree.paths) if os.path.dirname(path) == folder]
        paths = [self.tree.paths[number] for number in numbers]

        def read(target):
            if (done := read_samples(target, paths, turn, self.limit_s)) < len(paths):
                raise TooSlow(f'{done} of {len(paths)} files in {self.limit_s:g} s')
        return [self.few(contestant, numbers, read)]

    def one_file(self, contestant, readers, order, turn):
        number = random.Random(turn).randrange(len(self.tree.paths))

        def read(target):
            path = os.path.join(os.fsencode(target), self.tree.paths[number])
            subprocess.run(['cat', path], check=True, stdout=subprocess.DEVNULL)
        return [self.few(contestant, [number], read)]

    def few(self, contestant, numbers, read):
        """A row for reading these samples alone, with empty caches, and what the disk read because of it, for a mount may read
        on after its readers have ended."""
        with self.mounted(contestant) as target:
            drop_caches()
            load_programs(children())
            wait_for_rest()
            disk_before, asked_before = disk_bytes(), asked_bytes()
            start = time.monotonic()
            read(target)
            seconds = time.monotonic() - start
            wait_for_rest()
            return {'readers': 1, 'samples': len(numbers), 'bytes': sum(self.tree.sizes[number] for number in numbers),
                    'seconds': seconds, 'samples_per_second': len(numbers) / seconds,
                    'disk_bytes': disk_bytes() - disk_before, 'asked_bytes': asked_bytes() - asked_before}

    def neighbour(self, contestant, readers, order, turn):
        """A cold epoch, while another program makes one over a plain directory of its own: how fast is that?"""
        rows = []
        for count in readers:
            with self.mounted(contestant) as target:
                drop_caches()
                with self.epochs_started(self.neighbour_tree.path, 1, count, order, turn + 1) as process:
                    [own] = self.epochs(target, 1, count, order, turn + 1)
                    [other] = results_of(process, self.neighbour_tree, 1, self.limit_s)
            rows.append({**own, 'readers': count, 'neighbour_seconds': other['seconds'],
                         'neighbour_samples_per_second': other['samples_per_second']})
        return rows

    def memory_follow(self, contestant, readers, order, turn):
        """What the daemon holds before anybody reads, at most during a cold epoch, and a while after it."""
        rows = []
        for count in readers:
            with self.mounted(contestant) as target:
                daemons = children()
                before = most = resident_bytes(daemons)
                with self.epochs_started(target, 1, count, order, turn + 1, '--cold') as process:
                    while process.poll() is None:
                        most = max(most, resident_bytes(daemons))
                        time.sleep(RESIDENT_EVERY_S)
                    [result] = results_of(process, self.tree, 1, self.limit_s)
                time.sleep(RESIDENT_AFTER_S)
                rows.append({**result, 'readers': count, 'resident_before_bytes': before, 'resident_most_bytes': most,
                             'resident_after_bytes': resident_bytes(daemons)})
        return rows

    def disk(self, contestant, readers, order, turn):
        return [{'access': access, **self.fio(*how, '--time_based', f'--runtime={FIO_SECONDS}')}
                for access, how in DISK_ACCESSES.items()]

    def fio_pass(self):
        """Bytes a second of reading a copy of the pack once from its start, the best that reading the pack could come to."""
        return self.fio(*SEQUENTIAL, f'--bs={self.fio_block}', f'--runtime={FIO_PASS_LIMIT_S}')['bytes_per_second']

    def fio(self, *how):
        """What the disk gives. Of the pack it reads a copy: what a host's cache keeps of it helps none of the contestants."""
        report = run(['fio', '--name=disk', f'--filename={self.image_of(FIO_COPY)}', '--readonly', '--direct=1', '--invalidate=1',
                      '--ioengine=libaio', *how, '--output-format=json'], self.limits, 60)
        read = report['jobs'][0]['read']
        return {'bytes_per_second': read['bw_bytes'], 'reads_per_second': read['iops']}


def results_of(process, tree, epochs, limit_s):
    """Of epochs over all of the tree, each of at most `limit_s`."""
    results = answer_of(process, epochs * (limit_s + 60) + 120)['results']
    for result in results:
        whole = (result['samples'], result['bytes']) == (len(tree.paths), tree.bytes)
        if result['failures'] or (result['complete'] and not whole):
            raise Failed(f'{" ".join(process.args)}: {result["samples"]} samples of {result["bytes"]} bytes, '
                         f'{result["failures"]} failures; the tree has {len(tree.paths)} of {tree.bytes}')
    return results


def read_samples(folder, paths, seed, limit_s):
    """In random order, as `quire bench epoch` reads; but in this process, so that nothing else is asked of the mount
    meanwhile. Returns how many it came to."""
    deadline = time.monotonic() + limit_s
    for done, path in enumerate(random.Random(seed).sample(paths, len(paths))):
        if time.monotonic() > deadline:
            return done
        file = os.open(os.path.join(os.fsencode(folder), path), os.O_RDONLY)
        try:
            size = os.fstat(file).st_size
            if len(os.pread(file, size, 0)) != size:
                raise Failed(f'{folder}: {os.fsdecode(path)} is cut short')
        finally:
            os.close(file)
    return len(paths)


def load_programs(daemons):
    """Brings all code of the daemons, and of `cat`, into the page cache, so that none of it is read while something is
    counted."""
    for daemon in daemons:
        with open(f'/proc/{daemon}/maps') as file:
            fields = [line.split(maxsplit=5) for line in file]
        for path in {field[5].strip() for field in fields if len(field) == 6 and 'x' in field[1] and field[5][0] == '/'}:
            with contextlib.suppress(FileNotFoundError), open(path, 'rb') as file:  # it may have been built anew meanwhile
                file.read()
    subprocess.run(['cat', '/dev/null'], check=True)


def wait_for_rest():
    """Until this process and the daemons ask the disk for nothing more."""
    deadline = time.monotonic() + REST_LIMIT_S
    before, after = -REST_BYTES, asked_bytes()
    while after - before >= REST_BYTES and time.monotonic() < deadline:
        time.sleep(REST_S)
        before, after = after, asked_bytes()


def disk_bytes():
    """What the disk of the scratch folder has read since the machine began."""
    with open(f'/sys/dev/block/{disk_of(SCRATCH)}/stat') as file:
        return int(file.read().split()[2]) * SECTOR_BYTES


def asked_bytes():
    """What this process, those that it has waited for, and daemons have had from disks since they began. Other programs do not
    disturb it, unlike the disk's own count; but what a thread of the kernel reads ahead below a loop device is not in it."""
    total = 0
    for process in (os.getpid(), *children()):
        with open(f'/proc/{process}/io') as file:
            total += int(dict(line.split(':') for line in file)['read_bytes'])
    return total


def resident_bytes(daemons):
    """Pages of hugetlbfs too, which VmRSS does not count."""
    total = 0
    for daemon in daemons:
        with open(f'/proc/{daemon}/status') as file:
            fields = dict(line.split(':', 1) for line in file)
        total += sum(int(fields[name].split()[0]) << 10 for name in ('VmRSS', 'HugetlbPages'))
    return total


def describe_machine():
    """As `quire bench` does."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        open(f'{folder}/sample', 'w').close()
        return run([QUIRE, 'bench', 'epoch', folder, '--epochs', '1', '--json', '-'], Limits(), 60)['machine']


def counters(target):
    """What the mount has counted since it began; None where it tells nothing, as all but Quire do."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with open(f'{target}/.quire/stats') as file:
            return json.load(file)['counters']


def takes_part(contestant, dataset, experiment):
    if contestant.only_in and experiment not in contestant.only_in:
        return False
    if dataset in CORE_DATASETS and not contestant.core:
        return False
    if experiment in FOR_MAIN and not contestant.main and experiment not in contestant.also_in:
        return False
    if experiment == 'disk':
        return contestant.name == 'directory'  # once, for all
    if experiment == 'plan':  # all others are in `memory`, which is the same without a plan
        return experiment in (*contestant.only_in, *contestant.also_in)
    if experiment in OF_DAEMONS:
        return contestant.has_daemon()
    return experiment not in OF_FILESYSTEMS or contestant.has_filesystem()


def worth_another_step(rows, samples):
    return all(row.get('complete', True) or row['samples'] >= HARDLY_ANYTHING * samples for row in rows)
