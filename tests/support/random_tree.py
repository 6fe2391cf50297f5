# SPDX-License-Identifier: Apache-2.0
"""Trees that a seed decides: names of any bytes, odd sizes, holes, links, modes, owners, times and attributes.

Paths are bytes, below the tree's top. A symlink that leads out of the tree is in `escapes`: nobody should follow it, since
another image of the tree lies elsewhere."""
import contextlib
import os
import pathlib
import shutil

PAGE_BYTES = 2 << 20
BLOCK_BYTES = 4096
ODD_SIZES = (0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1)
MOST_BYTES = 24 << 20  # of all files of a tree: about what is packed and compared in a third of a second
NAME_BYTES = bytes(byte for byte in range(1, 256) if byte != ord('/'))
ODD_NAMES = (b'\n', b' ', b'-', b'--help', b'...', b'*', b'\\', b'\xff', b'\xc3', b'a\nb', b'%s', b'.quire', b'\xe2\x80\xae')
EARLIEST_S, LATEST_S = -2 ** 31, 2 ** 33  # of ext4, and of a pack: 1901 and later


class RandomTree:
    def __init__(self, chance, top, entries):
        self.chance, self.top = chance, os.fsencode(top)
        self.folders, self.files, self.symlinks, self.escapes = [b''], [], [], set()
        self.bytes_left = MOST_BYTES
        os.mkdir(self.top)
        makers = self.make_folder, self.make_chain, self.make_file, self.make_sparse_file, self.make_symlink, self.make_link
        for _ in range(entries):
            chance.choices(makers, (20, 1, 50, 10, 15, 8))[0]()
        self.set_attributes()

    def full(self, path):
        return self.top + b'/' + path if path else self.top

    def entries(self):
        return self.folders + self.files + self.symlinks

    def draw_name(self):
        chance = self.chance
        kind = chance.random()
        if kind < 0.1:
            return chance.choice(ODD_NAMES)
        if kind < 0.15:
            return bytes(chance.choices(NAME_BYTES, k=255))
        if kind < 0.6:
            return chance.choice((b'a', b'sample ', b'image_', b'\xc3\xbc')) + b'%d' % chance.randrange(1000)
        return bytes(chance.choices(NAME_BYTES, k=chance.randint(3, 30)))

    def draw_path(self, folder=None):
        """Of something that is not there yet."""
        while True:
            folder = self.chance.choice(self.folders) if folder is None else folder
            path = os.path.join(folder, self.draw_name())
            if os.path.basename(path) not in (b'.', b'..') and len(path) < 3000 and not os.path.lexists(self.full(path)):
                return path
            folder = None

    def draw_size(self):
        chance = self.chance
        size = chance.choices((chance.choice(ODD_SIZES), chance.randrange(20000), chance.randrange(3 * PAGE_BYTES)), (45, 50, 5))[0]
        size = min(size, self.bytes_left)
        self.bytes_left -= size
        return size

    def make_folder(self):
        self.folders.append(self.draw_path())
        os.mkdir(self.full(self.folders[-1]))

    def make_chain(self):
        """Folders below each other."""
        folder = self.chance.choice(self.folders)
        for _ in range(self.chance.randrange(60)):
            folder = self.draw_path(folder)
            self.folders.append(folder)
            os.mkdir(self.full(folder))

    def make_file(self):
        self.files.append(self.draw_path())
        with open(self.full(self.files[-1]), 'wb') as file:
            file.write(self.chance.randbytes(self.draw_size()))

    def make_sparse_file(self):
        self.files.append(self.draw_path())
        length = self.chance.choice((1, BLOCK_BYTES, 100001, 3 * PAGE_BYTES, 40 * PAGE_BYTES)) + self.chance.randrange(2) * 17
        with open(self.full(self.files[-1]), 'wb') as file:
            for _ in range(self.chance.randrange(6)):
                file.seek(self.chance.randrange(length))
                file.write(self.chance.randbytes(min(length - file.tell(), self.draw_size())))
            file.truncate(length)
            file.flush()
            os.fsync(file.fileno())  # so that the file system has made up its mind about the holes

    def make_symlink(self):
        chance, path = self.chance, self.draw_path()
        kind = chance.random()
        if kind < 0.6:  # to an entry, which may be a symlink as well
            entry = chance.choice(self.entries() + [path])
            target = os.path.relpath(self.full(entry), os.path.dirname(self.full(path)))
            if entry in self.escapes:
                self.escapes.add(path)
        elif kind < 0.8:
            target = bytes(chance.choices(NAME_BYTES, k=chance.randint(5, 100)))
        else:
            target = chance.choice((b'/etc/hostname', b'../' * 40, b'..', b'/' * 9, b'../' * 60 + b'x' * 3000))
            self.escapes.add(path)
        os.symlink(target, self.full(path))
        self.symlinks.append(path)

    def make_link(self):
        """A hard link of a file or a symlink."""
        if not self.files + self.symlinks:
            return
        original, path = self.chance.choice(self.files + self.symlinks), self.draw_path()
        kind = self.files if original in self.files else self.symlinks
        os.link(self.full(original), self.full(path), follow_symlinks=False)
        kind.append(path)
        # Elsewhere the same target leads elsewhere.
        if kind is self.symlinks:
            self.escapes.add(path)

    def set_attributes(self):
        """Last, and of folders after what is in them."""
        chance, is_root = self.chance, os.geteuid() == 0
        for path in sorted(self.files + self.folders, reverse=True):
            for _ in range(chance.choices((0, 1, 5), (80, 15, 5))[0]):
                name = b'user.' + bytes(chance.choices(NAME_BYTES, k=chance.randint(1, 40)))
                with contextlib.suppress(OSError):  # no room in the inode, or no attributes at all
                    os.setxattr(self.full(path), name, chance.randbytes(chance.choice((0, 1, 20, 300))))
        for path in sorted(self.entries(), key=lambda path: path.count(b'/'), reverse=True):
            full = self.full(path)
            if is_root and chance.random() < 0.3:
                os.chown(full, chance.randrange(2 ** 32 - 1), chance.randrange(2 ** 32 - 1), follow_symlinks=False)
            if path not in self.symlinks:
                mode = chance.choice((0o644, 0o755, 0o600, chance.randrange(0o10000)))
                if not is_root:  # what its owner cannot read, nobody can pack or remove
                    mode |= 0o700
                os.chmod(full, mode)
            time_ns = chance.randrange(EARLIEST_S, LATEST_S) * 10 ** 9 + chance.choice((0, chance.randrange(10 ** 9)))
            os.utime(full, ns=(time_ns, time_ns), follow_symlinks=False)


def change_as_owner(chance, tree):
    """Changes a RandomTree's folder: files rewritten, removed, renamed, new ones, other attributes."""
    top = os.fsencode(tree)
    entries = [os.path.join(folder, name) for folder, folders, files in os.walk(top) for name in folders + files]
    for path in chance.sample(entries, min(len(entries), 25)):
        if not os.path.lexists(path):
            continue
        kind, is_folder = chance.random(), os.path.isdir(path) and not os.path.islink(path)
        if kind < 0.25:
            shutil.rmtree(path) if is_folder else os.unlink(path)
        elif kind < 0.4:
            os.rename(path, os.path.join(os.path.dirname(path), b'renamed %d' % chance.randrange(1 << 30)))
        elif kind < 0.5 and not os.path.islink(path):
            os.chmod(path, chance.choice((0o700, 0o755, 0o644)) | (0o100 if is_folder else 0))
        elif kind < 0.6 and not is_folder:
            os.link(path, os.path.join(top, b'link %d' % chance.randrange(1 << 30)), follow_symlinks=False)
        elif is_folder:
            pathlib.Path(os.fsdecode(path), f'new {chance.randrange(1 << 30)}').write_bytes(chance.randbytes(3000))
        elif kind < 0.7:
            os.unlink(path)
            os.mkdir(path)
        elif not os.path.islink(path):
            pathlib.Path(os.fsdecode(path)).write_bytes(chance.randbytes(chance.randrange(5000)))
