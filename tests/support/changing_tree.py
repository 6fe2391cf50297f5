# SPDX-License-Identifier: Apache-2.0
"""A RandomTree that lives: files are written again, grow, vanish, get other names, links, attributes, and become folders or
symlinks, as a seed decides."""
import contextlib
import os
import shutil

from random_tree import BLOCK_BYTES, EARLIEST_S, LATEST_S, NAME_BYTES, PAGE_BYTES, RandomTree

MOST_ENTRIES = 250  # a whole tree is read several times a step
CHANGES = {'rewrite': 10, 'extend': 4, 'empty': 2, 'remove': 10, 'rename': 8, 'make_file': 12, 'make_folder': 5, 'make_sparse_file': 2,
           'make_symlink': 4, 'make_link': 5, 'make_large_file': 1, 'become_folder': 3, 'become_file': 3, 'become_symlink': 3,
           'describe': 8, 'touch': 4, 'attribute': 5}


class ChangingTree(RandomTree):
    def __init__(self, chance, top, entries):
        if os.path.lexists(top):  # somebody else's
            self.chance, self.top, self.escapes = chance, os.fsencode(top), set()
            self.bytes_left = 0
        else:
            super().__init__(chance, top, entries)
        self.look()

    def draw_name(self):
        """But for that of the control files, which tell how a mount fares."""
        name = super().draw_name()
        return self.draw_name() if name == b'.quire' else name

    def look(self):
        """What there is now."""
        self.folders, self.files, self.symlinks = [b''], [], []
        for folder, folders, files in os.walk(self.top):
            for name in sorted(folders + files):
                full = os.path.join(folder, name)
                kind = self.symlinks if os.path.islink(full) else self.folders if os.path.isdir(full) else self.files
                kind.append(os.path.relpath(full, self.top))
        for kind in self.folders, self.files, self.symlinks:
            kind.sort()

    def change(self, chance, times):
        """Changes it so often."""
        self.chance = chance
        for _ in range(times):
            self.bytes_left = PAGE_BYTES
            self.look()
            kinds = dict(CHANGES)
            if len(self.entries()) > MOST_ENTRIES:
                kinds['remove'] *= 20
            getattr(self, chance.choices(list(kinds), list(kinds.values()))[0])()
        self.look()

    def draw_file(self):
        if not self.files:
            self.make_file()
        return self.chance.choice(self.files)

    def draw_entry(self):
        """Not the top."""
        return self.chance.choice((self.entries() + [self.draw_file()])[1:])

    def make_sparse_file(self):
        """Of some MB: a whole tree is read several times a step."""
        path = self.draw_path()
        length = self.chance.choice((1, BLOCK_BYTES, 100001, 3 * PAGE_BYTES)) + self.chance.randrange(2) * 17
        with open(self.full(path), 'wb') as file:
            for _ in range(self.chance.randrange(5)):
                file.seek(self.chance.randrange(length))
                file.write(self.chance.randbytes(min(length - file.tell(), self.draw_size())))
            file.truncate(length)
            file.flush()
            os.fsync(file.fileno())
        self.files.append(path)

    def make_large_file(self):
        path = self.draw_path()
        with open(self.full(path), 'wb') as file:
            file.write(self.chance.randbytes(PAGE_BYTES + self.chance.choice((1, 4097, PAGE_BYTES // 2))))
        self.files.append(path)

    def touch(self, path=None):
        """So that who compares sizes and times sees that something has changed, also within one tick of the clock."""
        path = self.draw_entry() if path is None else path
        time_ns = self.chance.randrange(EARLIEST_S, LATEST_S) * 10 ** 9 + self.chance.randrange(10 ** 9)
        os.utime(self.full(path), ns=(time_ns, time_ns), follow_symlinks=False)

    def rewrite(self):
        path = self.draw_file()
        with open(self.full(path), 'wb') as file:  # all names of the file have the new bytes
            file.write(self.chance.choice((self.chance.randbytes, self.draw_text))(self.draw_size()))
        self.touch(path)

    def draw_text(self, size):
        return (b'%d words that repeat ' % self.chance.randrange(100) * (size // 20 + 1))[:size]

    def extend(self):
        path = self.draw_file()
        with open(self.full(path), 'ab') as file:
            file.write(self.chance.randbytes(self.chance.randrange(1, 3000)))
        self.touch(path)

    def empty(self):
        path = self.draw_file()
        os.truncate(self.full(path), 0)
        self.touch(path)

    def remove(self, path=None):
        path = self.draw_entry() if path is None else path
        full = self.full(path)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        else:
            os.unlink(full)

    def rename(self):
        path, to = self.draw_entry(), self.draw_path()
        if not (to + b'/').startswith(path + b'/'):
            os.rename(self.full(path), self.full(to))

    def become_folder(self):
        path = self.draw_entry()
        self.remove(path)
        os.mkdir(self.full(path))
        for _ in range(self.chance.randrange(3)):
            with open(self.full(self.draw_path(path)), 'wb') as file:
                file.write(self.chance.randbytes(self.chance.randrange(5000)))

    def become_file(self):
        path = self.draw_entry()
        self.remove(path)
        with open(self.full(path), 'wb') as file:
            file.write(self.chance.randbytes(self.draw_size()))

    def become_symlink(self):
        path = self.draw_entry()
        self.remove(path)
        os.symlink(bytes(self.chance.choices(NAME_BYTES, k=self.chance.randint(1, 100))), self.full(path))

    def describe(self):
        """Another mode or owner, of the top too."""
        path = self.chance.choice(self.entries())
        if os.geteuid() == 0 and self.chance.random() < 0.4:
            os.chown(self.full(path), self.chance.randrange(3), self.chance.randrange(3), follow_symlinks=False)
        elif path not in self.symlinks:
            mode = self.chance.choice((0o644, 0o755, 0o600, self.chance.randrange(0o10000)))
            os.chmod(self.full(path), mode if os.geteuid() == 0 else mode | 0o700)

    def attribute(self):
        path = self.chance.choice(self.folders + self.files)
        with contextlib.suppress(OSError):  # no room in the inode, or no attributes at all
            names = [name for name in os.listxattr(self.full(path)) if name.startswith('user.')]
            if names and self.chance.random() < 0.5:
                os.removexattr(self.full(path), self.chance.choice(sorted(names)))
            else:
                os.setxattr(self.full(path), b'user.%d' % self.chance.randrange(4), self.chance.randbytes(self.chance.choice((0, 1, 20, 300))))
