#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packs a tree again and again while a process swaps, renames, truncates, rewrites and appends in it, and looks whether
each sample of each pack is one version of its file.

    source_races.py SCRATCH SECONDS SEED      $QUIRE is the program; SCRATCH is an empty folder

A file is a row of chunks; a chunk repeats one record: the number of the file and a version. The process writes down
each version of a file, its mode among it, before it makes it, and puts every mtime back to the same moment, so that
sizes and mtimes tell nothing. Outside of the tree lies a copy that must never get into a pack."""
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import time

QUIRE = os.environ['QUIRE']
FOLDERS = 'abc'
RECORD_BYTES = 16
OUTSIDE = 9999  # the number of the files outside
MTIME_NS = 1_600_000_000_123_456_789
MODES = 0o600, 0o640, 0o700, 0o750  # which no usual umask narrows
LEAST_OPERATIONS = 2000


class Shape:
    def __init__(self, chunks, chunk_bytes):
        self.chunks, self.chunk_bytes = chunks, chunk_bytes

    def chunk(self, number, version):
        return b'%04d %09d \n' % (number, version) * (self.chunk_bytes // RECORD_BYTES)


SMALL = Shape(6, 512)
LARGE = Shape(80, 64 << 10)  # 5 MiB: two pages of a pack and a part
NAMES = {**{f's{i:02}': SMALL for i in range(20)}, **{f'l{i}': LARGE for i in range(2)}}


class File:
    """A file as the process knows it."""

    def __init__(self, number, shape, mode=MODES[0]):
        self.number, self.shape, self.mode, self.versions = number, shape, mode, []


class Mutator:
    def __init__(self, scratch, seed):
        self.tree, self.stage, self.outside = (f'{scratch}/{name}' for name in ('tree', 'stage', 'outside'))
        self.log = os.open(f'{scratch}/versions', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.random = random.Random(seed)
        self.version = 0
        self.files = {}  # (folder, name): what is there now
        os.mkdir(self.stage)
        for i, folder in enumerate(FOLDERS):
            os.makedirs(f'{self.tree}/{folder}')
            os.makedirs(f'{self.outside}/{folder}')
            for j, (name, shape) in enumerate(NAMES.items()):
                self.files[folder, name] = self.make(f'{self.tree}/{folder}/{name}', File(100 * i + j, shape), shape.chunks)
                self.make(f'{self.outside}/{folder}/{name}', File(OUTSIDE, shape), shape.chunks)

    def note(self, file):
        os.write(self.log, f'{file.number} {file.mode} {",".join(map(str, file.versions))}\n'.encode())

    def make(self, path, file, chunks):
        self.version += 1
        file.versions = [self.version] * chunks
        self.note(file)
        with open(path, 'wb') as stream:
            stream.write(file.shape.chunk(file.number, self.version) * chunks)
        os.chmod(path, file.mode)
        os.utime(path, ns=(MTIME_NS, MTIME_NS))
        return file

    def write(self, path, file, chunks):
        """Each chunk by one write."""
        self.version += 1
        descriptor = os.open(path, os.O_WRONLY)
        for i in chunks:
            file.versions[i:i + 1] = [self.version]
            self.note(file)
            os.pwrite(descriptor, file.shape.chunk(file.number, self.version), i * file.shape.chunk_bytes)
        os.close(descriptor)
        os.utime(path, ns=(MTIME_NS, MTIME_NS))

    def rewrite(self, path, file):
        self.write(path, file, range(len(file.versions)))

    def append(self, path, file):
        self.write(path, file, range(len(file.versions), file.shape.chunks))

    def truncate(self, path, file):
        del file.versions[self.random.randint(1, file.shape.chunks):]
        self.note(file)
        os.truncate(path, len(file.versions) * file.shape.chunk_bytes)
        os.utime(path, ns=(MTIME_NS, MTIME_NS))

    def change_mode(self, path, file):
        file.mode = self.random.choice(MODES)
        self.note(file)
        os.chmod(path, file.mode)

    def replace(self, path, file):
        other = File(file.number, file.shape, self.random.choice(MODES))
        self.make(f'{self.stage}/new', other, len(file.versions))
        os.rename(f'{self.stage}/new', path)
        file.mode, file.versions = other.mode, other.versions

    def exchange(self, folder, name):
        other = self.random.choice(FOLDERS)
        paths = [f'{self.tree}/{folder}/{name}', f'{self.tree}/{other}/{name}']
        if folder == other:
            return
        os.rename(paths[0], f'{self.stage}/moved')
        os.rename(paths[1], paths[0])
        os.rename(f'{self.stage}/moved', paths[1])
        self.files[folder, name], self.files[other, name] = self.files[other, name], self.files[folder, name]

    def swap_folders(self, folder):
        other = self.random.choice(FOLDERS)
        if folder == other:
            return
        os.rename(f'{self.tree}/{folder}', f'{self.stage}/moved')
        os.rename(f'{self.tree}/{other}', f'{self.tree}/{folder}')
        os.rename(f'{self.stage}/moved', f'{self.tree}/{other}')
        for name in NAMES:
            self.files[folder, name], self.files[other, name] = self.files[other, name], self.files[folder, name]

    def lead_outside(self, folder):
        os.rename(f'{self.tree}/{folder}', f'{self.stage}/moved')
        os.symlink(f'{self.outside}/{folder}', f'{self.tree}/{folder}')
        time.sleep(self.random.uniform(0, 0.02))
        os.unlink(f'{self.tree}/{folder}')
        os.rename(f'{self.stage}/moved', f'{self.tree}/{folder}')

    def run(self, parent):
        operations = 0
        while os.getppid() == parent:
            folder, name = self.random.choice(FOLDERS), self.random.choice(list(NAMES))
            chance = self.random.random()
            if chance < 0.05:
                self.lead_outside(folder)
            elif chance < 0.1:
                self.swap_folders(folder)
            elif chance < 0.2:
                self.exchange(folder, name)
            else:
                change = self.random.choice((self.rewrite, self.append, self.truncate, self.change_mode, self.replace))
                change(f'{self.tree}/{folder}/{name}', self.files[folder, name])
            operations += 1
            os.write(self.log, b'%d operations\n' % operations)
            time.sleep(self.random.uniform(0, 0.002))


class Versions:
    """Those that were written down."""

    def __init__(self, path):
        self.stream = open(path, 'rb')
        self.of_file = collections.defaultdict(set)
        self.operations = 0
        self.rest = b''

    def read_on(self):
        *lines, self.rest = (self.rest + self.stream.read()).split(b'\n')
        for line in lines:
            words = line.split()
            if words[1] == b'operations':
                self.operations = int(words[0])
            else:
                versions = tuple(map(int, words[2].split(b','))) if len(words) > 2 else ()
                self.of_file[int(words[0])].add((int(words[1]), versions))


def what_is_wrong(data, mode, name, versions):
    """Nothing where `data` is one version of a file called `name`."""
    shape = NAMES[name]
    if not data or len(data) % shape.chunk_bytes:
        return f'{len(data)} bytes'
    number = int(data[:4])
    if number == OUTSIDE:
        return 'a file from outside'
    if list(NAMES)[number % 100] != name:
        return f'file {number}'
    old, new = [], []  # a chunk of two versions is one that is being written
    for at in range(0, len(data), shape.chunk_bytes):
        chunk = data[at:at + shape.chunk_bytes]
        first, last = (int(record[5:14]) for record in (chunk[:RECORD_BYTES], chunk[-RECORD_BYTES:]))
        written = chunk.count(shape.chunk(number, first)[:RECORD_BYTES]) * RECORD_BYTES if first != last else 0
        if chunk != shape.chunk(number, first)[:written] + shape.chunk(number, last)[written:]:
            return f'chunk at {at} of several files or versions'
        new.append(first)
        old.append(last)
    known = versions.of_file[number]
    if (mode, tuple(old)) in known and (mode, tuple(new)) in known and sum(a != b for a, b in zip(old, new)) <= 1:
        return None
    return f'file {number}, mode {mode:o}, versions {new}'


class Races:
    def __init__(self, scratch, seed):
        self.scratch = scratch
        self.random = random.Random(seed)
        self.packs = self.samples = 0
        self.refused = collections.Counter()

    def pack(self, versions):
        pack = f'{self.scratch}/tree.quire'
        skip = self.random.random() < 0.9
        options = ['--skip-unreadable'] * skip + ['--dedup'] * (self.random.random() < 0.2)
        options += ['--jobs', str(self.random.choice((1, 2, 16)))]
        packed = subprocess.run([QUIRE, 'pack', '--progress', 'never', '--force', f'{self.scratch}/tree', '-o', pack, *options],
                                capture_output=True, text=True)
        for reason in re.findall(r'^quire pack: [abc]/\w+: (.*)', packed.stderr, re.M):
            self.refused[re.sub(r'\d+', 'N', reason)] += 1
        if packed.returncode not in (0, 1) or (packed.returncode == 1 and not packed.stderr):
            sys.exit(f'quire pack {options}: exit status {packed.returncode}: {packed.stderr}')
        if not os.path.exists(pack):
            if skip:
                sys.exit(f'no pack, in spite of --skip-unreadable: {packed.stderr}')
            return
        self.packs += 1
        extracted = f'{self.scratch}/extracted'
        os.mkdir(extracted)
        subprocess.run([QUIRE, 'verify', pack], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([QUIRE, 'extract', pack, '-C', extracted], check=True)
        versions.read_on()
        for folder, _, names in os.walk(extracted):
            for name in names:
                path = f'{folder}/{name}'
                if os.path.islink(path):
                    continue
                with open(path, 'rb') as file:
                    wrong = what_is_wrong(file.read(), os.stat(path).st_mode & 0o7777, name, versions)
                if wrong:
                    sys.exit(f'{path} of a pack made with {options} is no version of it: {wrong}\n{packed.stderr}')
                self.samples += 1
        shutil.rmtree(extracted)
        os.unlink(pack)


def main(scratch, seconds, seed):
    mutator = Mutator(scratch, seed)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            mutator.run(parent)
        finally:
            os._exit(1)
    try:
        races, versions = Races(scratch, seed), Versions(f'{scratch}/versions')
        end = time.monotonic() + seconds
        while time.monotonic() < end or versions.operations < LEAST_OPERATIONS:
            races.pack(versions)
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                sys.exit('the process that changes the tree has ended')
    finally:
        os.kill(child, 9)
    print(f'{races.packs} packs with {races.samples} samples, while the tree was changed {versions.operations} times; refused:')
    for reason, count in races.refused.most_common():
        print(f'{count:6}  {reason}')
    print(f'tried: {versions.operations} changes of a tree that is packed')
    if not races.samples or not races.refused:
        sys.exit('the packer and the changes did not meet')


if __name__ == '__main__':
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
