# SPDX-License-Identifier: Apache-2.0
"""What a tree is, as values: a dict from paths below its top, b'' the top's own, to entries. What commands that let packs grow
must make of it is told by plain operations on such dicts."""
import collections
import hashlib
import itertools
import os
import stat

# `file`: the same for all names of one file. `content`: a sum of the bytes, or a symlink's target.
Entry = collections.namedtuple('Entry', 'kind mode uid gid mtime_ns size content attributes file')
Seen = collections.namedtuple('Seen', 'kind mode uid gid mtime_ns size content attributes links same_as')
SERIAL = itertools.count()
READ_BYTES = 1 << 20


def sum_of(path):
    summed = hashlib.blake2b(digest_size=16)
    with open(path, 'rb', buffering=0) as file:
        while piece := file.read(READ_BYTES):
            summed.update(piece)
    return summed.hexdigest()


def attributes_of(path):
    names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith('user.')]
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))


def read_entry(path, status, serial, sums):
    kind = {stat.S_IFREG: 'file', stat.S_IFDIR: 'folder', stat.S_IFLNK: 'symlink'}[stat.S_IFMT(status.st_mode)]
    if kind == 'file' and status.st_ino not in sums:
        sums[status.st_ino] = sum_of(path)
    content = sums[status.st_ino] if kind == 'file' else os.readlink(path) if kind == 'symlink' else None
    return Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns,
                 0 if kind == 'folder' else status.st_size, content, attributes_of(path), (serial, status.st_ino))


def walk(top):
    """(path, full path) of each entry, the top's own first."""
    yield b'', top
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            full = os.path.join(folder, name)
            yield full[len(top) + 1:], full


def read_tree(top):
    """The model of a folder, and the inode number and the links of each path."""
    model, numbers, serial, sums = {}, {}, next(SERIAL), {}
    for path, full in walk(os.fsencode(top)):
        status = os.lstat(full)
        model[path] = read_entry(full, status, serial, sums)
        numbers[path] = (status.st_ino, status.st_nlink)
    return model, numbers


def parent_of(path):
    return path.rpartition(b'/')[0]


def is_below(path, folder):
    return path == folder or folder == b'' or path.startswith(folder + b'/')


def describe(model):
    """The same by what programs see of it: names of one file are told by the first of them."""
    names, subfolders = collections.defaultdict(list), collections.Counter()
    for path in sorted(model):
        names[model[path].file].append(path)
        if path and model[path].kind == 'folder':
            subfolders[parent_of(path)] += 1
    return {path: Seen(*entry[:-1], 2 + subfolders[path] if entry.kind == 'folder' else len(names[entry.file]), names[entry.file][0])
            for path, entry in model.items()}


def without(model, paths):
    """`quire rm`."""
    return {path: entry for path, entry in model.items() if not any(is_below(path, gone) for gone in paths)}


def laid_over(model, source, at):
    """`quire append`: folders are merged, and of all else what comes takes the place of what is there."""
    result = dict(model)
    for path in sorted(source):
        target = b'/'.join(part for part in (at, path) if part)
        there = result.get(target)
        if there is not None and not there.kind == source[path].kind == 'folder':
            result = without(result, [target])
        result[target] = source[path]
    return result


def differences(before, after):
    """What `quire generations --diff` tells: names that came and went, without what lies below them, and names whose entries
    have other bytes or targets, or are of another kind."""
    def tops(paths, others):
        return {path for path in paths if path not in others and parent_of(path) in others}
    changed = {path for path in before.keys() & after.keys()
               if (before[path].kind, before[path].content) != (after[path].kind, after[path].content)}

    def known(paths):
        return {path for path in paths if not any(path != one and is_below(path, one) for one in changed)}
    return known(tops(after, before)), known(tops(before, after)), known(changed)
