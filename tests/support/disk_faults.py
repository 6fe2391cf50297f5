#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mounts on a disk that fails at random, and what their readers see: right bytes, or an error of a sample that was hit,
and right bytes again once the disk is whole.

    disk_faults.py QUIRE TREE PACK SLOW_PACK RULES MOUNT LOG SECONDS SEED ASLEEP_S

TREE/s has samples that lie in one page of PACK each, TREE/names many entries. SLOW_PACK is PACK on a disk that obeys
RULES (support/slow_file.cc). Goes on for SECONDS, and at least until each combination of options had its turn.
Prints "COUNT<tab>WHAT" for each thing that it counted."""
import collections
import contextlib
import errno
import itertools
import json
import os
import random
import struct
import subprocess
import sys
import threading
import time

from scenario import Mount, SlowDisk, abort, content, place_samples

BLOCK_BYTES = 4096  # direct reads come in these
READERS = 6
READS_A_PHASE = 90
# Nothing here takes a second but what waits out the retries, and there are a few of those: who is not back then hangs.
HANGS_AFTER_S = 90
ENGINES = ('io=threads', 'io=uring')
CACHES = ('cache_size=8M', '')
PUSHES = ('push=on', 'push=off')
EXTRAS = ('', 'admit=extent', 'admit=page', 'readahead=off', 'admit=extent,readahead=off', 'direct_io')


def choose_options(chance, number):
    """Of the number-th mount: every combination in turn, and something else by chance."""
    configurations = list(itertools.product(ENGINES, CACHES, PUSHES))
    chosen = configurations[number % len(configurations)]
    extras = [extra for extra in EXTRAS if extra != 'direct_io' or 'push=on' not in chosen]  # they exclude each other
    return [*chosen, chance.choice(extras)]


COMBINATIONS = len(ENGINES) * len(CACHES) * len(PUSHES)


class Kind:
    """A fault: the rules for it, the error that a reader may get, and what counts it."""

    def __init__(self, word, error=None, counter=None, share=None, times=None, reads=READS_A_PHASE, whole=True):
        self.word, self.error, self.counter = word, error, counter
        self.share, self.times, self.reads = share, times, reads
        self.may_be_wide = whole

    def rules(self, begin, end, seed):
        lines = [f'seed {seed} 0']
        if self.share:
            lines.append(f'share {self.share[0]} {self.share[1]}')
        if self.word == 'delay':
            return lines + ['delay 0 30000']
        return lines + [f'{self.word} {begin} {end}' + (f' {self.times}' if self.times else '')]

    def __str__(self):
        return self.word + (' for some reads' if self.share else '') + (f', {self.times} times' if self.times else '')


# Ten tries in a row fail once in a million reads where one of four does.
KINDS = (
    Kind('delay'),
    Kind('part'),
    Kind('again', share=(1, 4)),
    Kind('interrupt', share=(1, 4)),
    Kind('again', times=5),
    Kind('flip', times=1, whole=False),
    Kind('fail', errno.EIO, 'read_errors'),
    Kind('fail', errno.EIO, 'read_errors', share=(1, 3)),
    Kind('stale', errno.ESTALE, 'read_errors'),
    Kind('short', errno.EIO, 'read_errors'),
    Kind('short', errno.EIO, 'read_errors', share=(1, 3)),
    Kind('flip', errno.EIO, 'verify_failures'),
    Kind('flip', errno.EIO, 'verify_failures', share=(1, 3)),
    # A second and more for each read, as long as the retries last.
    Kind('again', errno.EIO, 'read_errors', reads=8, whole=False),
    Kind('interrupt', errno.EIO, 'read_errors', reads=8, whole=False),
)


class Hang(Exception):
    """The process cannot wait for its threads any more."""


class Trial:
    """What all rounds share: the tree, the disk, and what was counted."""

    def __init__(self, quire, tree, pack, slow_pack, rules, folder, log, seed):
        self.quire, self.tree, self.pack, self.slow_pack = quire, tree, pack, slow_pack
        self.folder, self.log = folder, log
        self.disk = SlowDisk(rules)
        self.faults_file = rules + '.faults'
        self.chance = random.Random(seed)
        self.counts = collections.Counter()
        names = sorted(f's/{name}' for name in os.listdir(tree + '/s'))
        self.samples = place_samples(tree, pack, names)
        self.wanted = {sample.name: content(f'{tree}/{sample.name}') for sample in self.samples}
        with open(pack, 'rb') as file:
            self.index_begin = struct.unpack_from('<Q', file.read(4096), 32)[0]
        self.pack_bytes = os.path.getsize(pack)
        self.mount = None

    def faults(self):
        """How often the disk has failed so far."""
        return content(self.faults_file).count(b'\n')

    @contextlib.contextmanager
    def mounted(self, pack, options):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.log)
        words = [self.quire, 'mount', '-o', ','.join(filter(None, [*options, f'log_file={self.log}']))]
        subprocess.run([*words, pack, self.folder], check=True)
        self.mount = Mount(self.folder)
        try:
            yield self.mount
            ended = subprocess.run([self.quire, 'umount', self.folder], check=False, capture_output=True, text=True)
            assert ended.returncode == 0, f'umount: {ended.stderr}'
        except BaseException:
            print(f'with {options}; the log ends:', *content(self.log).decode().splitlines()[-12:], sep='\n')
            stats = self.mount.stats_or_none()
            print(json.loads(stats)['counters'] if stats else 'the mount does not tell its stats', flush=True)
            abort([self.mount.connection])
            raise

    def read(self, name):
        """None where the bytes are right, else the errno. The kernel is asked to forget what it has of the sample."""
        wanted = self.wanted[name]
        try:
            with open(f'{self.folder}/{name}', 'rb', buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                data = b''.join(iter(lambda: file.read(len(wanted) + 1), b''))
        except OSError as error:
            return error.errno
        self.counts['reads compared on failing disks'] += 1
        assert data == wanted, f'{name}: WRONG BYTES, {len(data)} of {len(wanted)}'
        return None

    def in_threads(self, works):
        """Runs each of `works` in a thread of its own; what one of them raises is raised here."""
        failures = []

        def run(work):
            try:
                work()
            except BaseException as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=run, args=[work], daemon=True) for work in works]
        for thread in threads:
            thread.start()
        until = time.monotonic() + HANGS_AFTER_S
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            raise Hang('a reader hangs')
        if failures:
            raise failures[0]

    def expect_whole(self, samples, why):
        for sample in samples:
            error = self.read(sample.name)
            assert error is None, f'{sample.name}: {errno.errorcode[error]} {why}'


def is_hit(sample, begin, end):
    """By reads of the sample alone, which come in blocks."""
    return begin < -(-sample.end // BLOCK_BYTES) * BLOCK_BYTES and sample.begin // BLOCK_BYTES * BLOCK_BYTES < end


def choose_range(trial, kind):
    """Bytes of a sample, of one page, of some in a row, or of all samples."""
    sample = trial.chance.choice(trial.samples)
    width = trial.chance.choice(['sample', 'page', 'pages', 'all']) if kind.may_be_wide else 'sample'
    if width == 'sample':
        return sample.begin, sample.end
    if width == 'all':
        return trial.samples[0].begin, trial.index_begin
    begin = sample.page << 21
    return begin, min(begin + (1 << 21) * (1 if width == 'page' else 3), trial.index_begin)


def phase(trial, mount, kind):
    """The disk fails in one way while many read; then it is whole."""
    begin, end = choose_range(trial, kind)
    hit = [sample for sample in trial.samples if is_hit(sample, begin, end)]
    others = [sample for sample in trial.samples if not is_hit(sample, begin, end)] or hit
    failed = collections.Counter()
    before, faults_before = mount.stats(), trial.faults()
    trial.disk.obey(*kind.rules(begin, end, trial.chance.randrange(1, 1 << 32)))

    def reader(seed):
        chance = random.Random(seed)
        for _ in range(kind.reads // READERS + 1):
            sample = chance.choice(hit if chance.random() < 0.5 else others)
            error = trial.read(sample.name)
            if error is None:
                continue
            failed[sample.name] += 1
            assert kind.error is not None, f'{sample.name}: {errno.errorcode[error]}, though it passes'
            assert error == kind.error, f'{sample.name}: {errno.errorcode[error]}'
            assert is_hit(sample, begin, end), f'{sample.name} at {sample.begin}: {errno.errorcode[error]}, not hit'

    try:
        trial.in_threads([lambda seed=trial.chance.random(): reader(seed) for _ in range(READERS)])
        trial.disk.obey()
        # A page keeps what came wrong until somebody reads that: all of it here, so that the next phase meets none.
        trial.expect_whole(hit if kind.word == 'flip' else hit[:30], 'when the disk was whole again')
        check_counts(trial, mount, kind, before, trial.faults() - faults_before, failed)
    except AssertionError as failure:
        raise AssertionError(f'{kind} at {begin} to {end}: {failure}') from failure
    trial.counts[f'phases of "{kind}"'] += 1
    trial.counts['faults injected'] += trial.faults() - faults_before


def check_counts(trial, mount, kind, before, faults, failed):
    after = mount.stats()

    def added(name):
        return after['counters'][name] - before['counters'][name]

    requests = after['failed_requests'] - before['failed_requests']
    assert requests >= len(failed), f'{len(failed)} samples failed, and {requests} requests'
    assert not failed or added(kind.counter) > 0, f'{failed} failed, and {kind.counter} is as before'
    if faults == 0 or kind.error is None:
        assert requests == 0, f'{requests} requests failed'
        assert added('read_errors') == 0, f'{added("read_errors")} reads failed'
    if faults == 0 or kind.word != 'flip':
        assert added('verify_failures') == 0, f'{added("verify_failures")} sums were wrong'
    log = content(trial.log).decode()
    for name in failed:
        assert f"'/{name}'" in log, f'the log does not name {name}'
    trial.counts['reads that failed with the sample that was hit'] += sum(failed.values())


def samples_round(trial, options):
    """Where the cache holds all, a further fault would meet nothing that is read."""
    with trial.mounted(trial.slow_pack, options) as mount:
        for top, _, names in os.walk(trial.folder):
            for name in names:
                os.stat(f'{top}/{name}')
        phases = 4 if 'cache_size=8M' in options else 1
        # io_uring repeats what a file of FUSE answers with EAGAIN by itself, for as long as it does.
        kinds = [kind for kind in KINDS if str(kind) != 'again' or 'io=uring' not in options]
        for kind in trial.chance.sample(kinds, phases):
            phase(trial, mount, kind)
        trial.expect_whole(trial.samples, 'after all')
    trial.counts['mounts on failing disks'] += 1


INDEX_KINDS = (
    Kind('part'), Kind('again', times=3), Kind('interrupt', times=3), Kind('flip', times=1),
    Kind('fail', errno.EIO), Kind('fail', errno.EIO, share=(1, 3)), Kind('fail', errno.EIO, times=2),
    Kind('stale', errno.ESTALE), Kind('stale', errno.ESTALE, share=(1, 3)),
    Kind('short', errno.EIO), Kind('short', errno.EIO, share=(1, 3)))


def index_round(trial, options):
    """Names and attributes that nobody has seen: right, or an error, and never missing."""
    kind = trial.chance.choice(INDEX_KINDS)
    folders = {top: sorted(folders + names) for top, folders, names in os.walk(trial.tree)}
    errors = []

    def look(folder, shown, must_be_right):
        try:
            listed = sorted(os.listdir(shown))
            assert listed == folders[folder], f'{shown}: {len(listed)} of {len(folders[folder])} entries are listed'
        except OSError as error:
            errors.append(error)
        for name in trial.chance.sample(folders[folder], min(60, len(folders[folder]))):
            try:
                size = os.lstat(f'{shown}/{name}').st_size
                assert os.path.isdir(f'{folder}/{name}') or size == os.lstat(f'{folder}/{name}').st_size
            except OSError as error:
                errors.append(error)
            trial.counts['names looked up on failing disks'] += 1
        for error in errors:
            assert not must_be_right, f'{error}, though the disk is whole'
            # A listing that is not whole may have been told so long before its end.
            assert error.errno in (kind.error, errno.EIO), f'{error}'

    def look_at_all(must_be_right):
        errors.clear()
        for folder in folders:
            look(folder, trial.folder + folder[len(trial.tree):], must_be_right)

    before = trial.faults()
    begin = trial.chance.choice([trial.index_begin, trial.chance.randrange(trial.index_begin, trial.pack_bytes)])
    try:
        with trial.mounted(trial.slow_pack, options):
            trial.disk.obey(*kind.rules(begin, trial.pack_bytes, trial.chance.randrange(1, 1 << 32)))
            trial.in_threads([lambda: look_at_all(kind.error is None)] * 2)
            trial.disk.obey()
            look_at_all(True)
            trial.expect_whole(trial.chance.sample(trial.samples, 20), 'after all')
    except AssertionError as failure:
        raise AssertionError(f'{kind} in the index from {begin}: {failure}') from failure
    trial.counts['faults injected'] += trial.faults() - before
    trial.counts['mounts whose index failed'] += 1


def mounting_round(trial):
    """A disk that fails while a mount is made: it is made, or refused with a reason, and nothing is left."""
    kind = trial.chance.choice(INDEX_KINDS)
    before = trial.faults()
    trial.disk.obey(*kind.rules(0, trial.pack_bytes, trial.chance.randrange(1, 1 << 32)))
    made = subprocess.run([trial.quire, 'mount', '-o', f'log_file={trial.log}', trial.slow_pack, trial.folder],
                          check=False, capture_output=True, text=True, timeout=HANGS_AFTER_S)
    trial.disk.obey()
    if made.returncode == 0:
        trial.mount = Mount(trial.folder)
        try:
            trial.expect_whole(trial.chance.sample(trial.samples, 5), f'after mounting with "{kind}"')
        except AssertionError:
            print(*content(trial.log).decode().splitlines()[-12:], sep='\n')
            raise
        subprocess.run([trial.quire, 'umount', trial.folder], check=True, timeout=HANGS_AFTER_S)
    else:
        assert kind.error is not None, f'{kind}: not mounted: {made.stderr}'
        assert made.returncode == 1 and made.stderr.strip(), f'{kind}: status {made.returncode}: {made.stderr}'
    assert not os.path.ismount(trial.folder), f'{kind}: still mounted'
    trial.counts['mounts begun on failing disks'] += 1
    trial.counts['faults injected'] += trial.faults() - before


def asleep(trial, options, seconds):
    """The disk answers nothing for a while: who asks for it waits and gets right bytes, all else goes on."""
    with trial.mounted(trial.slow_pack, [*options, 'readahead=off', 'admit=extent', 'push=off']) as mount:
        for sample in trial.samples:
            os.stat(f'{trial.folder}/{sample.name}')
        waiting = trial.chance.sample(trial.samples[10:], 40)
        trial.expect_whole(trial.samples[:10], 'before')
        before = mount.stats()['failed_requests']
        trial.disk.obey(f'hold 0 {trial.pack_bytes}')
        woke = threading.Event()

        def read(sample):
            trial.expect_whole([sample], 'of a disk that slept')
            assert woke.is_set(), f'{sample.name} was read of a disk that sleeps'

        def meanwhile():
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for sample in trial.samples[:10]:
                    trial.expect_whole([sample], 'though it is in memory')
                    os.listdir(f'{trial.folder}/s')
                mount.stats()
                trial.counts['reads of memory while the disk slept'] += 10
            woke.set()
            trial.disk.obey()

        trial.in_threads([meanwhile] + [lambda sample=sample: read(sample) for sample in waiting])
        assert mount.stats()['failed_requests'] == before, 'a request failed of a disk that slept'
    trial.counts['seconds that the disk slept'] += seconds


def main(quire, tree, pack, slow_pack, rules, folder, log, seconds, seed, asleep_s):
    trial = Trial(quire, tree, pack, slow_pack, rules, folder, log, seed)
    until = time.monotonic() + float(seconds)
    try:
        for number in itertools.count():
            if number >= COMBINATIONS and time.monotonic() > until:
                break
            options = choose_options(trial.chance, number)
            samples_round(trial, options)
            index_round(trial, options)
            mounting_round(trial)
            if number < len(ENGINES):
                asleep(trial, [ENGINES[number], CACHES[0]], int(asleep_s))
    except Hang:
        print(mount_stacks(folder), flush=True)
        abort([trial.mount.connection])
        raise
    for what, count in sorted(trial.counts.items()):
        print(f'{count}\t{what}')


def mount_stacks(folder):
    """Where the threads of the daemon wait."""
    found = subprocess.run(['pgrep', '-f', f'quire mount .*{folder}'], check=False, capture_output=True, text=True)
    return ''.join(content(f'/proc/{pid}/task/{task}/stack').decode()
                   for pid in found.stdout.split() for task in os.listdir(f'/proc/{pid}/task'))


if __name__ == '__main__':
    if len(sys.argv) != 11:
        sys.exit(__doc__)
    main(*sys.argv[1:])
