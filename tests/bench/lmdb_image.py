#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An LMDB of the regular files of a tree, as people make one for a loader: keyed by number in path order.

    tests/bench/lmdb_image.py TREE OUT"""
import os
import struct
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import lmdb

from trees import sample_paths


def key(number):
    return struct.pack('>Q', number)


def build(tree, out):
    # Room for every sample in whole pages, its key and a page beside; the file takes only what is used.
    paths = sample_paths(tree)
    sizes = sum(os.path.getsize(os.path.join(os.fsencode(tree), path)) for path in paths)
    with lmdb.open(out, map_size=2 * sizes + len(paths) * 16384 + (64 << 20), subdir=False, lock=False) as environment:
        with environment.begin(write=True) as transaction:
            for number, path in enumerate(paths):
                with open(os.path.join(os.fsencode(tree), path), 'rb') as file:
                    transaction.put(key(number), file.read(), append=True)


class Reader:
    def __init__(self, path):
        self.environment = lmdb.open(path, subdir=False, readonly=True, lock=False)

    def sizes(self):
        with self.environment.begin(buffers=True) as transaction:
            return [len(value) for value in transaction.cursor().iternext(keys=False)]

    def read(self, number):
        with self.environment.begin() as transaction:
            return transaction.get(key(number))


if __name__ == '__main__':
    build(*sys.argv[1:])
