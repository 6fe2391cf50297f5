# SPDX-License-Identifier: Apache-2.0
"""That a contestant serves the tree that the others serve: only then is it measured."""
import os
import random
import subprocess
import tarfile
import zipfile

from environment import QUIRE
from trees import sample_paths

COMPARED_FILES = 50
COMPARED_BYTES = 256 << 20  # of large files fewer


class WrongContents(Exception):
    pass


class SourceTree:
    """What every contestant must serve."""

    def __init__(self, path):
        self.path = path
        self.paths = sample_paths(path)
        self.sizes = sizes(path, self.paths)
        self.bytes = sum(self.sizes)
        self.compared = []  # numbers of the samples that are compared byte by byte
        left = COMPARED_BYTES
        for number in random.Random(1).sample(range(len(self.paths)), min(COMPARED_FILES, len(self.paths))):
            left -= self.sizes[number]
            if left >= 0:
                self.compared.append(number)


def sizes(folder, paths):
    return [os.path.getsize(os.path.join(os.fsencode(folder), path)) for path in paths]


def contents(folder, path):
    with open(os.path.join(os.fsencode(folder), path), 'rb') as file:
        return file.read()


def file_system_reader(tree, mnt):
    paths = sample_paths(mnt)
    if paths != tree.paths:
        raise WrongContents(f'{len(paths)} files, or other names than the {len(tree.paths)} of the tree')
    if sizes(mnt, paths) != tree.sizes:
        raise WrongContents('files of other sizes than those of the tree')
    return lambda number: contents(mnt, tree.paths[number])


def lmdb_reader(tree, path):
    import lmdb_image  # here, for those who run without python3-lmdb
    reader = lmdb_image.Reader(path)
    if reader.sizes() != tree.sizes:
        raise WrongContents('another number of samples, or other sizes, than the tree')
    return reader.read


def tar_reader(tree, path):
    archive = tarfile.open(path)
    members = {os.path.normpath(os.fsencode(member.name)): member for member in archive if member.isreg()}
    if sorted(members) != tree.paths:
        raise WrongContents(f'{len(members)} files, or other names than the {len(tree.paths)} of the tree')
    if list(members) != sorted(members, key=lambda path: path.split(b'/')):
        raise WrongContents('not in path order, in which it is read as one stream')
    return lambda number: archive.extractfile(members[tree.paths[number]]).read()


def zip_reader(tree, path):
    archive = zipfile.ZipFile(path)
    return lambda number: archive.read(os.fsdecode(tree.paths[number]))


def pack_reader(tree, path):  # every run of `quire bench` counts its samples and bytes
    return lambda number: subprocess.run([QUIRE, 'cat', path, tree.paths[number]], check=True, capture_output=True).stdout


def check(contestant, tree, target):
    """Raises WrongContents. `target`: the mount point, or the image that is read without a file system."""
    if contestant.has_filesystem():
        read = file_system_reader(tree, target)
    else:
        read = {'lmdb': lmdb_reader, 'quire': pack_reader, 'tar': tar_reader, 'zip': zip_reader}[contestant.image](tree, target)
    for number in tree.compared:
        if read(number) != contents(tree.path, tree.paths[number]):
            raise WrongContents(f'{os.fsdecode(tree.paths[number])} differs from the tree')
