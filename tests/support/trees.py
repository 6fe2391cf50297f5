#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes files and trees of bytes that are the same every time and that no compressor shrinks.

    trees.py bytes COUNT SEED                  to standard output
    trees.py sparse FILE LENGTH [AT...]        a file of holes with 5000 bytes of data at each offset, as far as they fit
    trees.py samples DIR FOLDERS FILES BYTES   a small dataset
"""
import os
import random
import sys


def random_bytes(count, seed):
    return random.Random(seed).randbytes(count)


def make_sparse(path, length, offsets):
    with open(path, 'wb') as file:
        for at in offsets:
            file.seek(at)
            file.write(random_bytes(5000, at))
        file.truncate(length)


def make_samples(top, folders, files, size):
    data = random.Random(1)
    for folder in range(folders):
        os.makedirs(f'{top}/{folder:03}', exist_ok=True)
        for file in range(files):
            with open(f'{top}/{folder:03}/{file:05}.bin', 'wb') as sample:
                sample.write(data.randbytes(size))


def main(arguments):
    match arguments:
        case ['bytes', count, seed]:
            sys.stdout.buffer.write(random_bytes(int(count), seed))
        case ['sparse', path, length, *offsets]:
            make_sparse(path, int(length), map(int, offsets))
        case ['samples', top, *numbers] if len(numbers) == 3:
            make_samples(top, *map(int, numbers))
        case _:
            sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv[1:])


def fill_folders(tree, folders, files, size):
    """`files` of `size` random bytes in each of these folders below `tree`."""
    for folder in folders:
        (tree / folder).mkdir(parents=True)
        for number in range(files):
            (tree / folder / f'{number:03}.bin').write_bytes(os.urandom(size))
