# SPDX-License-Identifier: Apache-2.0
"""What the readers of a pack show of it, of one that is whole and of a damaged copy: all that may be said is in Check."""
import base64
import collections
import contextlib
import json
import os
import re
import shutil
import stat
import subprocess

from pack_layout import DIRECTORY, HARD_LINK, Damage, Layout

LIMIT_S = 120  # for one command; a slow machine takes a second
MANY_ENTRIES = 500  # of a pack of more, a part is looked at by a mount
CAUSE = re.compile(r'superblock|index|truncated|not a Quire pack|checksum mismatch')


class Wrong(Exception):
    """Something that Quire must not do."""


def xattrs(path):
    names = (name for name in os.listxattr(path, follow_symlinks=False) if name.startswith('user.'))
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def attributes(path):
    """All that stat(2) and its like say of an entry that a pack keeps; links aside, which depend on what else is there."""
    status = os.lstat(path)
    is_folder = stat.S_ISDIR(status.st_mode)
    return (status.st_mode, status.st_uid, status.st_gid, None if is_folder else status.st_size, status.st_mtime_ns,
            os.readlink(path) if stat.S_ISLNK(status.st_mode) else '', xattrs(path))


def is_regular(path):
    return stat.S_ISREG(os.lstat(path).st_mode)


def content(path):
    with open(path, 'rb') as file:
        return file.read()


class Commands:
    """Runs `quire`: it ends in time, by itself, with exit status 0 or 1."""

    def __init__(self, quire):
        self.quire = quire

    def run(self, *arguments):
        try:
            done = subprocess.run([self.quire, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired as hang:
            raise Wrong(f'{arguments[0]} hangs') from hang
        told = done.stderr.decode(errors='surrogateescape')
        if done.returncode not in (0, 1):
            raise Wrong(f'{arguments[0]}: exit status {done.returncode}: {told[-2000:]}')
        if done.returncode == 1 and not (told or done.stdout):
            raise Wrong(f'{arguments[0]} fails and says nothing')
        return done.returncode == 0, done.stdout, told


class Subject:
    """A pack that is whole, and what its readers show of it."""

    def __init__(self, name, tree, pack, commands):
        self.name, self.tree, self.commands = name, tree, commands
        self.data = content(pack)
        self.layout = Layout(self.data)
        assert len(self.data) == self.layout.end
        self.by_path = {node.path: node for node in self.layout.nodes}
        self.listing = self.list(pack)[1]
        assert set(self.listing) | {''} == set(self.by_path), 'ls and FORMAT.md do not find the same entries'
        self.attributes = {path: attributes(f'{tree}/{path}') for path in self.by_path}
        self.links = {path: os.lstat(f'{tree}/{path}').st_nlink for path in self.by_path}
        self.content = {path: content(f'{tree}/{path}') for path in self.by_path if is_regular(f'{tree}/{path}')}
        self.children = collections.defaultdict(set)
        for node in self.layout.nodes[1:]:
            self.children[self.layout.nodes[node.parent].path].add(os.path.basename(node.path))

    def list(self, pack):
        """Whether ls is content, what it shows by path, and what it says."""
        good, shown, told = self.commands.run('ls', '-lR', '--json', pack)
        if not good and not shown:
            return good, {}, told
        entries = json.loads(shown.decode(errors='surrogateescape'))['entries']
        paths = [path_of(entry) for entry in entries]
        if len(set(paths)) != len(paths):
            raise Wrong('ls shows an entry twice')
        return good, dict(zip(paths, entries)), told


def path_of(entry):
    """Of a JSON object: names that are no UTF-8 stand in another field."""
    return os.fsdecode(base64.b64decode(entry['path_base64'])) if 'path_base64' in entry else entry['path']


def as_told(path):
    """A path in a message."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace').replace('\n', '\\n').replace('\t', '\\t')


class Check:
    """One damaged copy of a pack, and all that may be said of it."""

    def __init__(self, subject, bad, pack, scratch):
        self.subject, self.pack, self.scratch = subject, pack, scratch
        self.damage = Damage(subject.layout, bad)
        self.names = {path for path, node in subject.by_path.items() if self.content_number(node) in self.damage.hit}

    @staticmethod
    def content_number(node):
        return node.content if node.kind == HARD_LINK else node.number

    def require(self, is_right, what):
        if not is_right:
            raise Wrong(what)

    def may_refuse(self, told):
        """A pack that is refused has damage where all depends on it, and the message names pack and cause."""
        self.require(0 in self.damage.slots or self.damage.is_short or not self.damage.spares(self.subject.layout.nodes[0]),
                     f'refused, and the damage spares all that is needed to open it: {told}')
        self.require(CAUSE.search(told), f'the message names no cause: {told}')
        self.require(os.path.basename(self.pack) in told or 'index' in told, f'the message names no pack: {told}')

    def verified(self, report):
        """What `quire verify --json` says."""
        if 'error' in report:
            self.may_refuse(f'{report["pack"]}: {report["error"]}')
            return
        self.require(report['ok'] == (not self.damage.is_covered),
                     f'verify finds {report["fault_count"]} faults; bytes that have a sum changed: {self.damage.is_covered}')
        if self.damage.is_in_index:
            self.require(any(fault['kind'] == 'index' for fault in report['faults']), 'verify finds no fault of the index')
        if report['fault_count'] > len(report['faults']):
            return  # it tells the first thousand
        named = {path_of(fault) for fault in report['faults'] if fault['kind'] == 'sample'}
        nodes = self.subject.layout.nodes
        for number in self.damage.hit:
            if self.damage.spares(nodes[number]):
                self.require(nodes[number].path in named, f'verify does not name {nodes[number].path!r}')
        for path in named:
            node = self.subject.by_path.get(path)
            self.require(node or self.damage.is_in_index, f'verify names {path!r}, which is not there')
            if node and self.damage.spares(node):
                self.require(node.number in self.damage.hit, f'verify blames {path!r}, which is whole')

    def verify(self):
        good, shown, _ = self.subject.commands.run('verify', '--json', self.pack)
        report = json.loads(shown)
        self.require(good == report['ok'], 'verify: the exit status is not what the report says')
        self.verified(report)

    def list(self):
        good, shown, told = self.subject.list(self.pack)
        expected = self.subject.listing
        for path, entry in shown.items():
            self.require(expected.get(path) == entry, f'ls shows {entry}, and not {expected.get(path)}')
        self.require(good == (len(shown) == len(expected)), f'ls shows {len(shown)} of {len(expected)} entries, and '
                     f'{"no fault" if good else "a fault: " + told}')
        self.spared_are_in(shown, 'ls does not show')

    def spared_are_in(self, found, what, but=frozenset()):
        for path, node in self.subject.by_path.items():
            if path and path not in found and path not in but:
                self.require(not self.damage.spares(node), f'{what} {path!r}, which is whole')

    def cat(self, path):
        wanted = self.subject.content[path]
        good, shown, told = self.subject.commands.run('cat', self.pack, path)
        self.require(wanted.startswith(shown), f'cat {path!r}: other bytes')
        self.require(not good or shown == wanted, f'cat {path!r}: {len(shown)} of {len(wanted)} bytes, and no error')
        if self.damage.spares(self.subject.by_path[path]):
            self.require(good == (path not in self.names), f'cat {path!r}: exit status 0: {good}: {told}')

    def extract(self):
        top = f'{self.scratch}/extracted'
        good, _, told = self.subject.commands.run('extract', '--keep-going', '--progress', 'never', self.pack, '-C', top)
        found = set()
        try:
            for folder, folders, files in os.walk(top):
                for name in folders + files:
                    found.add(os.path.relpath(f'{folder}/{name}', top))
            for path in found:
                self.require(path in self.subject.by_path, f'extract made {path!r}, which was never packed')
                self.same_entry(path, f'{top}/{path}')
        finally:
            shutil.rmtree(top, ignore_errors=True)
        missing = self.subject.by_path.keys() - found - {''}
        self.require(good == (not missing), f'extract: {len(missing)} entries are missing, exit status 0: {good}: {told}')
        self.spared_are_in(found, 'extract does not save', self.names)
        for path in self.names & missing:
            if self.damage.spares(self.subject.by_path[path]):
                self.require(f"'{as_told(path)}'" in told, f'extract does not say that it left out {path!r}: {told}')
        self.require(not (found & self.names), f'extract made of damaged bytes: {found & self.names}')

    def same_entry(self, path, there):
        """Of what extract made: each entry is right, with its attributes. Those of a folder with damage need not be."""
        expected, shown = self.subject.attributes[path], attributes(there)
        if not stat.S_ISDIR(expected[0]) or self.damage.spares(self.subject.by_path[path]):
            self.require(shown == expected, f'extract: {path!r} has {shown}, and not {expected}')
        if path in self.subject.content:
            self.require(content(there) == self.subject.content[path], f'extract: {path!r} has other bytes')

    def mount(self, options, chance, beneath=None):
        """`beneath`: what is called once it is mounted, to do the damage then."""
        top = f'{self.scratch}/mnt'
        os.makedirs(top, exist_ok=True)
        good, _, told = self.subject.commands.run('mount', '-o', options, self.pack, top)
        if not good:
            self.may_refuse(told)
            self.require(not os.path.ismount(top), 'refused, and mounted')
            return
        try:
            if beneath:
                beneath()
            self.walk(top, chance)
        finally:
            self.subject.commands.run('umount', top)

    def walk(self, top, chance):
        paths = list(self.subject.by_path)
        if len(paths) > MANY_ENTRIES:
            paths = chance.sample(paths, MANY_ENTRIES) + sorted(self.names)[:20]
        chance.shuffle(paths)
        for path in paths:
            spared = self.damage.spares(self.subject.by_path[path])
            try:
                self.look(top, path, spared)
            except OSError as error:
                self.require(error.strerror == 'Input/output error', f'{path!r}: {error}')
                self.require(not spared, f'{path!r}, which is whole: {error}')

    def look(self, top, path, spared):
        there, node = f'{top}/{path}', self.subject.by_path[path]
        self.require(attributes(there) == self.subject.attributes[path], f'{path!r}: other attributes')
        if node.kind != DIRECTORY:
            self.require(os.lstat(there).st_nlink == self.subject.links[path], f'{path!r}: another number of links')
        if node.kind == DIRECTORY:
            shown, expected = os.listdir(there), self.subject.children[path]
            self.require(len(set(shown)) == len(shown) and set(shown) <= expected, f'{path!r} lists {shown}')
            for name in expected - set(shown):
                child = self.subject.by_path[f'{path}/{name}' if path else name]
                self.require(not self.damage.spares(child), f'{path!r} does not list {name!r}, which is whole')
        elif path in self.subject.content:
            self.read(there, path, node, spared)

    def read(self, there, path, node, spared):
        """Reads it as programs do, to the first error; then each extent by itself."""
        wanted, seen, is_whole = self.subject.content[path], 0, False
        with open(there, 'rb', buffering=0) as file:
            with contextlib.suppress(OSError):
                while piece := file.read(1 << 17):
                    self.require(wanted[seen:seen + len(piece)] == piece, f'{path!r}: other bytes')
                    seen += len(piece)
                is_whole = seen == len(wanted)
            self.require(is_whole <= (path not in self.names), f'{path!r}: bytes that are damaged can be read')
            if spared:
                self.require(is_whole == (path not in self.names), f'{path!r}: {seen} of {len(wanted)} bytes can be read')
            if is_whole or not spared:
                return
            for at, extent in node.extents:
                try:
                    piece = os.pread(file.fileno(), self.subject.layout.lengths[extent], at)
                except OSError:
                    self.require(extent in self.damage.extents, f'{path!r} at {at}: EIO, of an extent that is whole')
                else:
                    self.require(piece == wanted[at:at + len(piece)], f'{path!r} at {at}: other bytes')
