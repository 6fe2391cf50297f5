"""One measurement each: an experiment on a contestant, by `quire bench` or fio. Returns rows for the JSON file, in which
all fields of `quire bench` are kept."""
import contextlib
import json
import statistics
import subprocess

import figures
from environment import QUIRE, drop_caches
from mounts import mounted

WARM_UP_LIMIT_S = 60
META_LIMIT_S = 120
META_LOOKUPS = 20_000
MEMORY_EPOCHS = 4
FIO_SECONDS = 2
FIO_PASS_LIMIT_S = 5
HARDLY_ANYTHING = 0.1  # of the samples, read before the limit: not worth another step

SEQUENTIAL = 'sequential, 1 MiB, 8 at a time'
DISK_ACCESSES = {  # what fio is told; O_DIRECT, so that nothing is cached
    SEQUENTIAL: ['--rw=read', '--bs=1M', '--iodepth=8'],
    'random, 128 KiB': ['--rw=randread', '--bs=128k', '--iodepth=32'],
    'random, 4 KiB': ['--rw=randread', '--bs=4k', '--iodepth=32'],
    # What one reader of small files that come one by one cannot exceed.
    'random, 4 KiB, one at a time': ['--rw=randread', '--bs=4k', '--iodepth=1'],
}


class TooSlow(Exception):
    pass


class Failed(Exception):
    pass


def run(command, limits, limit_s):
    try:
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s,
                                 preexec_fn=limits.join)
    except subprocess.TimeoutExpired:
        raise TooSlow(f'not done after {limit_s} s') from None
    if process.returncode != 0:
        raise Failed(f'{" ".join(command)}: exit status {process.returncode}\n{process.stderr.strip()[-2000:]}')
    return json.loads(process.stdout)


class Measuring:
    """On one data set."""

    def __init__(self, tree, image_of, mnt, limits, limit_s):
        self.tree, self.image_of, self.mnt, self.limits, self.limit_s = tree, image_of, mnt, limits, limit_s
        self.machine = None  # as `quire bench` describes it

    def mounted(self, contestant):
        return mounted(contestant, self.image_of(contestant.image), self.mnt, self.limits)

    def bench(self, kind, target, *options, limit_s):
        report = run([QUIRE, 'bench', kind, target, *map(str, options), '--json', '-'], self.limits, limit_s)
        self.machine = self.machine or report['machine']
        return report['results']

    def epochs(self, target, epochs, readers, order, seed, *options, limit_s=None):
        limit_s = limit_s or self.limit_s
        results = self.bench('epoch', target, '--epochs', epochs, '--threads', readers, '--order', order, '--seed', seed,
                             '--limit', limit_s, *options, limit_s=epochs * (limit_s + 60) + 120)
        for result in results:
            whole = (result['samples'], result['bytes']) == (len(self.tree.paths), self.tree.bytes)
            if result['failures'] or (result['complete'] and not whole):
                raise Failed(f'{target}: {result["samples"]} samples of {result["bytes"]} bytes, {result["failures"]} '
                             f'failures; the tree has {len(self.tree.paths)} of {self.tree.bytes}')
        return results

    def cold(self, contestant, readers, order, turn):
        """For Quire also what fio reads of its pack, just before and just after: the speed of a disk is another every minute."""
        rows = []
        beside = (lambda: [self.fio_pass()]) if contestant.name == 'quire' else list
        for count in readers:
            fio = beside()
            with self.mounted(contestant) as target:  # anew, so that a daemon's caches are empty as well
                # Listed by readdir alone: looking at attributes as well would bring small files into memory where data lies
                # beside inodes (EROFS: 101,000 files a second afterwards instead of 10,000; kernel squashfs 5,500, not 1,200).
                for result in self.epochs(target, 1, count, order, turn + 1, '--cold'):
                    rows.append({**result, 'readers': count})
            if fio := fio + beside():
                rows[-1]['fio_bytes_per_second'] = statistics.mean(fio)
        return rows

    def cold_path(self, contestant, readers, order, turn):
        return self.cold(contestant, readers, 'path', turn)

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
            return self.bench('meta', target, '--cold', '--seed', turn + 1, '--lookups', META_LOOKUPS, limit_s=META_LIMIT_S)

    def memory(self, contestant, readers, order, turn):
        """Epochs in a row in one mount, each in another order."""
        rows = []
        for count in readers:
            drop_caches()  # whoever read the files before has them in a cache outside the limit
            with self.mounted(contestant) as target:
                for epoch in range(MEMORY_EPOCHS):
                    before = counters(target)
                    [result] = self.epochs(target, 1, count, order, turn * MEMORY_EPOCHS + epoch + 1)
                    row = {**result, 'epoch': epoch + 1, 'readers': count}
                    if before:
                        row['counters'] = figures.difference(counters(target), before)
                    rows.append(row)
        return rows

    def disk(self, contestant, readers, order, turn):
        return [self.fio(access) for access in DISK_ACCESSES]

    def fio_pass(self):
        """Bytes a second of reading the pack once from its start, the best that reading it could come to."""
        return self.fio(SEQUENTIAL, [f'--runtime={FIO_PASS_LIMIT_S}'])['bytes_per_second']

    def fio(self, access, until=('--time_based', f'--runtime={FIO_SECONDS}')):
        """What the disk gives, on the bytes of the pack, which leave the page cache before."""
        report = run(['fio', '--name=disk', f'--filename={self.image_of("quire")}', '--readonly', '--direct=1', '--invalidate=1',
                      '--ioengine=libaio', *until, *DISK_ACCESSES[access], '--output-format=json'], self.limits, 60)
        read = report['jobs'][0]['read']
        return {'access': access, 'bytes_per_second': read['bw_bytes'], 'reads_per_second': read['iops']}


def counters(target):
    """What the mount has counted since it began; None where it tells nothing, as all but Quire do."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with open(f'{target}/.quire/stats') as file:
            return json.load(file)['counters']


def takes_part(contestant, experiment):
    if contestant.only_in and experiment not in contestant.only_in:
        return False
    if experiment in ('cold_path', 'memory') and not contestant.main:
        return False
    if experiment == 'disk':
        return contestant.name == 'directory'  # once, for all
    return experiment != 'meta' or contestant.has_filesystem()


def worth_another_step(rows, samples):
    return all(row.get('complete', True) or row['samples'] >= HARDLY_ANYTHING * samples for row in rows)
