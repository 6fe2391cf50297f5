#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads all of packs by quire.open() with little memory, and fails where anything but quire.Error comes of it.

    read_hostile_packs.py PACKAGE FOLDER      PACKAGE is the folder that holds the package quire, FOLDER that of the packs

The last line is two counts: packs of which something could be read, and packs of which nothing."""
import os
import resource
import sys

ADDRESS_SPACE = 1 << 30  # of the interpreter and all that it allocates
MOST_ENTRIES = 200_000
LOOKED_AT = 100  # entries that are read by their paths: folders in folders, 2048 of them, are looked up one by one


def read_all(quire, path):
    """Whether anything can be read."""
    try:
        pack = quire.open(path)
    except quire.Error:
        return False
    with pack:
        names = []
        try:
            for name, _ in pack.walk():
                names.append(name)
                assert len(names) <= MOST_ENTRIES, f'{path}: more entries than it has nodes'
        except quire.Error:
            pass
        for name in names[::max(len(names) // LOOKED_AT, 1)]:
            for read in (pack.__getitem__, pack.stat, pack.xattrs, pack.place, pack.readlink, pack.listdir):
                try:
                    read(name)
                except (quire.Error, KeyError, OSError):
                    pass
        try:
            list(pack)
            len(pack)
        except quire.Error:
            pass
    return True


def main(package, folder):
    sys.path.insert(0, package)
    import quire  # pylint: disable=import-outside-toplevel
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    paths = sorted(entry.path for entry in os.scandir(folder))
    read = sum(read_all(quire, path) for path in paths)
    print(read, len(paths) - read)


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
