#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever the tree and whatever is asked, a mount answers as the tree does, and cat, extract and ls give back the same.

A seed decides the tree, the options of pack and mount, and a sequence of calls. Each call is made on the tree and on the
mount, and their outcomes are compared: values, or errnos. fs/SEMANTICS.md says where a mount answers otherwise.

QUIRE_PROPERTY_S=3600 goes on for an hour with new seeds, by default it is 5 seconds with always the same ones. A failure names
its seed and the fewest of the calls that still fail; QUIRE_SEED=N begins with it."""
import base64
import json
import mmap
import os
import random
import stat
import time

import harness
from mount_model import (Model, find_data, forget, get_attribute, list_attributes, opened, outcome, read_mapped,
                         read_several)
from random_tree import RandomTree

SECONDS = float(os.environ.get('QUIRE_PROPERTY_S', 5))
ENTRIES, CALLS = 90, 400
OPTIONS = ('cache_size=8M', 'io=threads', 'push=off', 'direct_io', 'readdirplus=off', 'threads=2', 'default_permissions',
           'readahead=off', 'admit=extent', 'policy=lru')
PACK_OPTIONS = ((), ('--dedup',), ('--order', 'shuffle:7'), ('--jobs', '1'), ('--compress', 'zstd'))
READ_FLAGS = (os.O_NOFOLLOW, os.O_DIRECTORY, os.O_NONBLOCK, os.O_PATH, os.O_SYNC, os.O_NOATIME)
CREATE_FLAGS = (os.O_CREAT, os.O_CREAT | os.O_EXCL)


class Caller:
    """Draws calls: the name of a method of Model and its arguments."""

    def __init__(self, chance, tree, options):
        self.chance, self.tree, self.options = chance, tree, options
        self.followed = [path for path in tree.entries() if path not in tree.escapes]
        self.sizes = [size + step for size in (0, 4096, 65536, 2 << 20) for step in (-1, 0, 1)]

    def draw_path(self, may_escape=False):
        """'/' and a path of an entry, or of something that is not there. REQUIRES of those that follow symlinks: no escape."""
        chance = self.chance
        path = chance.choice(self.tree.entries() if may_escape else self.followed)
        kind = chance.random()
        if kind < 0.08 and path not in self.tree.escapes:
            path = os.path.join(path, chance.choice((b'none', b'x' * 255, b'x' * 256, b'.', b'x/' * 2000, b'a1', b'\xff')))
        elif kind < 0.12:
            path = os.path.join(os.path.dirname(path), self.tree.draw_name())
            if path in self.tree.escapes and not may_escape or path == b'.quire' and path not in self.tree.entries():
                path = b'none'
        return b'/' + path

    def draw_file(self):
        return b'/' + self.chance.choice(self.tree.files or [b'none'])

    def draw_folder(self):
        return b'/' + self.chance.choice(self.tree.folders)

    def draw_places(self, path):
        size = outcome(os.path.getsize, self.tree.full(path[1:]))
        size = size if isinstance(size, int) else 0
        near = [at for at in (*self.sizes, size - 1, size, size + 1, size + 100000, 1 << 40) if at >= 0]
        return [(self.chance.choice((self.chance.randrange(size + 1), self.chance.choice(near))),
                 self.chance.choice((0, 1, 4096, 4097, self.chance.randrange(100000), 3 << 20)))
                for _ in range(self.chance.randint(1, 8))]

    def draw(self):
        chance = self.chance
        method = chance.choices(
            ('lstat', 'read', 'list', 'seek_in_list', 'readlink', 'attributes', 'open_to_read', 'open_to_write', 'open_to_create',
             'change', 'seek', 'mapped', 'access', 'same_inode', 'forget', 'plan'),
            (12, 30, 6, 6, 5, 8, 8, 4, 3, 6, 8, 6, 5, 3, 4, 1))[0]
        return getattr(self, 'draw_' + method)()

    def draw_lstat(self):
        return 'lstat', self.draw_path(may_escape=True)

    def draw_read(self):
        path = self.chance.choice((self.draw_file, self.draw_file, self.draw_path))()
        return 'plain', path, opened(read_several), self.draw_places(path)

    def draw_list(self):
        return 'list', self.chance.choice((self.draw_folder, self.draw_path))()

    def draw_seek_in_list(self):
        return 'seek_in_list', self.draw_folder(), [self.chance.randrange(1000) for _ in range(10)]

    def draw_readlink(self):
        if self.tree.symlinks and self.chance.random() < 0.8:
            return 'plain', b'/' + self.chance.choice(self.tree.symlinks), os.readlink
        return 'plain', self.draw_path(may_escape=True), os.readlink

    def draw_attributes(self):
        path = self.draw_path(may_escape=True)
        names = outcome(list_attributes, self.tree.full(path[1:]))
        name = self.chance.choice(names) if isinstance(names, list) and names else 'user.none'
        return self.chance.choice((('plain', path, list_attributes), ('plain', path, get_attribute, name),
                                   ('plain', path, get_attribute, 'user.' + 'n' * self.chance.randrange(1, 251))))

    def draw_open_to_read(self):
        flags = os.O_RDONLY
        for flag in self.chance.sample(READ_FLAGS, self.chance.randrange(3)):
            flags |= flag
        return 'open_to_read', self.draw_path(), flags

    def draw_open_to_create(self):
        return 'open_to_create', self.draw_path(), self.chance.choice(CREATE_FLAGS)

    def draw_open_to_write(self):
        flags = self.chance.choice((os.O_WRONLY, os.O_RDWR))
        for flag in self.chance.sample((os.O_APPEND, os.O_TRUNC, os.O_CREAT, os.O_NOFOLLOW), self.chance.randrange(3)):
            flags |= flag
        return 'open_to_write', self.draw_path(), flags

    def draw_change(self):
        call = self.chance.choice(((os.mkdir,), (os.unlink,), (os.rmdir,), (os.lchown, 1, 1), (os.mkdir, 0o700)))
        path = self.draw_path()
        if os.path.basename(path) in (b'', b'.', b'..'):
            path = self.draw_file()
        return 'change', path, *call

    def draw_seek(self):
        path = self.draw_file()
        offset, _ = self.draw_places(path)[0]
        if outcome(find_data, self.tree.full(path[1:])) == 'ENOENT':
            return self.draw_read()
        return 'seek', path, self.chance.choice((os.SEEK_DATA, os.SEEK_HOLE)), offset

    def draw_mapped(self):
        path = self.draw_file()
        sharing = mmap.MAP_PRIVATE if 'direct_io' in self.options else self.chance.choice((mmap.MAP_PRIVATE, mmap.MAP_SHARED))
        begin, length = self.draw_places(path)[0]
        return 'plain', path, opened(read_mapped), sharing, begin, length

    def draw_access(self):
        if not harness.is_root():
            return self.draw_lstat()
        # Without default_permissions the kernel asks nobody whether a file can be executed, before it is.
        asked = os.R_OK | os.W_OK | (os.X_OK if 'default_permissions' in self.options else 0)
        return 'access', self.draw_path(), self.chance.randrange(8) & asked

    def draw_same_inode(self):
        return 'same_inode', self.draw_path(may_escape=True), self.draw_path(may_escape=True)

    def draw_forget(self):
        return 'plain', self.draw_file(), opened(forget)

    def draw_plan(self):
        return 'plan', [b'/' + path for path in self.chance.sample(self.tree.files, len(self.tree.files))]


def describe(call):
    method, *arguments = call
    named = [getattr(argument, '__name__', None) or repr(argument) for argument in arguments]
    return f'{method}({", ".join(named)})'


class Trial:
    """All that one seed decides."""

    def __init__(self, seed, scratch, mount):
        self.seed, self.mount = seed, mount
        chance = random.Random(seed)
        self.top, self.pack, self.view = scratch / f'{seed}.tree', scratch / f'{seed}.quire', scratch / f'{seed}.view'
        self.tree = RandomTree(chance, self.top, chance.randint(1, ENTRIES))
        self.options = [option for option in OPTIONS if chance.random() < 0.2]
        self.pack_options = chance.choice(PACK_OPTIONS)
        harness.pack(self.top, self.pack, *self.pack_options)
        caller = Caller(chance, self.tree, self.options)
        self.calls = [caller.draw() for _ in range(CALLS)]

    def run(self, calls):
        """The number of the first call that fails in a new mount, and why; None where none does."""
        mount = self.mount(self.pack, *self.options, folder=self.view)
        try:
            model = Model(self.top, self.view)
            for number, (method, *arguments) in enumerate(calls):
                try:
                    getattr(model, method)(*arguments)
                except (AssertionError, OSError) as problem:
                    return number, problem
            return None
        finally:
            mount.unmount()

    def check_calls(self):
        failed = self.run(self.calls)
        if failed is None:
            return
        number, problem = failed
        last = self.calls[number]
        until_then = self.calls[:number + 1]
        candidates = [last], [call for call in until_then if call[1] == last[1]], until_then[-10:]
        shortest = next((calls for calls in candidates if self.run(calls) is not None), until_then)
        log = '\n'.join(describe(call) for call in shortest)
        raise AssertionError(f'{self.name()}\nthe fewest calls that fail:\n{log}\n{problem}') from None

    def name(self):
        return f'QUIRE_SEED={self.seed}, quire pack {" ".join(self.pack_options)}, quire mount -o {",".join(self.options)}'


def walk(top):
    """Every path below a folder, itself included as b''."""
    yield b''
    top = os.fsencode(top)
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), top)


def check_extract(trial, scratch):
    """All of it, by a walk: contents, attributes, links."""
    out = scratch / f'{trial.seed}.outs'  # a path as long as the tree's
    harness.quire('extract', trial.pack, '-C', out, '--quiet', '--same-permissions')
    tree = os.fsencode(trial.top)
    paths = list(walk(out))
    assert sorted(paths) == sorted(walk(trial.top))
    first = {}
    for path in paths:
        source, copy = os.path.join(tree, path), os.path.join(os.fsencode(out), path)
        expected, got = os.lstat(source), os.lstat(copy)
        fields = ['st_mode', 'st_mtime_ns'] + ['st_uid', 'st_gid'] * harness.is_root()
        fields += ['st_size', 'st_nlink'] * (not stat.S_ISDIR(got.st_mode))
        assert {name: getattr(got, name) for name in fields} == {name: getattr(expected, name) for name in fields}, path
        assert list_attributes(copy) == list_attributes(source), path
        assert all(get_attribute(copy, name) == get_attribute(source, name) for name in list_attributes(source)), path
        assert first.setdefault(expected.st_ino, got.st_ino) == got.st_ino, f'{path}: not the same file as before'
        if stat.S_ISREG(got.st_mode):
            with open(source, 'rb') as file, open(copy, 'rb') as other:
                assert file.read() == other.read(), path
        elif stat.S_ISLNK(got.st_mode):
            assert os.readlink(copy) == os.readlink(source), path
    harness.run('rm', '-rf', out)


def check_cat(trial, _):
    for path in random.Random(trial.seed).sample(trial.tree.files, min(3, len(trial.tree.files))):
        with open(trial.tree.full(path), 'rb') as file:
            assert harness.quire('cat', trial.pack, b'./' + path).stdout == file.read(), path


def check_ls(trial, _):
    def named(entry, key):
        return base64.b64decode(entry[key + '_base64']) if key + '_base64' in entry else entry[key].encode()

    document = json.loads(harness.quire('ls', '-R', '--json', trial.pack).stdout)
    entries = {named(entry, 'path'): entry for entry in document['entries']}
    assert sorted(entries) == sorted(path for path in walk(trial.top) if path)
    assert len(entries) == len(document['entries'])
    for path, entry in entries.items():
        status = os.lstat(trial.tree.full(path))
        listed = int(entry['mode'], 8), entry['uid'], entry['gid']
        assert listed == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), path
        if entry['type'] == 'file':
            assert stat.S_ISREG(status.st_mode) and (entry['size_bytes'], entry['nlink']) == (status.st_size, status.st_nlink), path
        elif entry['type'] == 'symlink':
            assert named(entry, 'target') == os.readlink(trial.tree.full(path)), path
        else:
            assert stat.S_ISDIR(status.st_mode), path


def first_seed():
    """A short run always tries the same, a long one something new, and QUIRE_SEED what it says."""
    if 'QUIRE_SEED' in os.environ:
        return int(os.environ['QUIRE_SEED'])
    return random.SystemRandom().randrange(10 ** 9) if 'QUIRE_PROPERTY_S' in os.environ else 1


def test_mount_answers_as_the_tree_does(scratch, mount, tally):
    end, seed = time.monotonic() + SECONDS, first_seed()
    while True:
        trial = Trial(seed, scratch, mount)
        trial.check_calls()
        for check in (check_extract, check_cat, check_ls):
            try:
                check(trial, scratch)
            except AssertionError as problem:
                raise AssertionError(f'{trial.name()}\n{problem}') from None
        harness.run('rm', '-rf', trial.top, trial.pack)
        tally(len(trial.calls), 'random calls compared with a tree')
        tally(1, 'random trees packed, mounted, listed and extracted')
        seed += 1
        if time.monotonic() > end:
            break
