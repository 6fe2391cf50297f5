# SPDX-License-Identifier: Apache-2.0
"""The trees that the benchmarks read: files of incompressible bytes from a seed, without repeats, so that there is nothing
to compress or to deduplicate; and real ones, Debian's icon theme Papirus and images of Debian's Fashion-MNIST."""
import concurrent.futures
import contextlib
import glob
import math
import os
import random
import shutil
import subprocess
import tempfile

from debian_json import write_debian_json
from environment import CORES, REPOSITORY, SCRATCH, say

def image_size(place):
    """Log-normal sizes with a mean of 110 KB are those of photographs."""
    return int(place.lognormvariate(math.log(110_000) - 0.5 ** 2 / 2, 0.5))


def mixed_size(place):
    """Log-normal around 100 KB, in the middle of 1 KB and 10 MB: with a sigma of 1.8 one file in a hundred lies outside and is
    made as small or as large as that."""
    return int(min(max(place.lognormvariate(math.log(100_000), 1.8), 1000), 10_000_000))


# Sizes from 30 KB on have about 2 GB each: enough for a disk's speed, and less than the memory of the machine.
SEEDED_TREES = {
    'tiny': {'title': '100,000 files of 3 KB', 'folders': 100, 'files': 1000, 'size': lambda place: 3072},
    # An epoch of it takes seconds where one of tiny takes half a one.
    'tiny_large': {'title': '1,000,000 files of 3 KB', 'folders': 1000, 'files': 1000, 'size': lambda place: 3072},
    'text': {'title': '60,000 files of 30 KB', 'folders': 60, 'files': 1000, 'size': lambda place: 30_000},
    # A hundred folders, so that one class is a hundredth.
    'image': {'title': '20,000 files, log-normal around 110 KB', 'folders': 100, 'files': 200, 'size': image_size},
    'photo': {'title': '3,000 files of 600 KB', 'folders': 30, 'files': 100, 'size': lambda place: 600_000},
    'clip': {'title': '600 files of 3 MB', 'folders': 20, 'files': 30, 'size': lambda place: 3_000_000},
    'mix': {'title': '4,600 files, log-normal, 1 KB to 10 MB', 'folders': 20, 'files': 230, 'size': mixed_size},
    'neighbour': {'title': 'half of image, for another program', 'folders': 100, 'files': 100, 'size': image_size},
    'large': {'title': '40 files of 50 MB', 'folders': 4, 'files': 10, 'size': lambda place: 50_000_000},
    'million': {'title': '1,000,000 files of 100 bytes', 'folders': 1000, 'files': 1000, 'size': lambda place: 100},
}
TITLES = {name: tree['title'] for name, tree in SEEDED_TREES.items()} | {
    'papirus': 'the icon theme Papirus, 49,000 files of 2.5 KB and as many symlinks',
    'fashion': '20,000 images of Fashion-MNIST as PNG files of 600 bytes',
    'pgm': '20,000 images of Fashion-MNIST as raw PGM files of 797 bytes',
    'json': '200,000 JSON files of 2 KB, what Debian says of its packages',
    'docs': 'documents of Debian: HTML and text of five of its packages',
    'usr': 'of /usr: bin, include, lib/python3, and share without its icons'}
FASHION_IMAGES = 20_000
JSON_FILES = 200_000
USR_FOLDERS = ('include', 'lib/python3', 'bin', 'share')
DOCUMENTS = ('debian-policy', 'debian-reference-en', 'developers-reference', 'python3.11-doc', 'postgresql-doc-15')
REMOVERS = 16

# About how many files and bytes that is, to tell how long a run will take.
EXPECTED = {'tiny': (100_000, 307e6), 'tiny_large': (1_000_000, 3.07e9), 'text': (60_000, 1.8e9), 'image': (20_000, 2.2e9), 'photo': (3000, 1.8e9),
            'clip': (600, 1.8e9), 'mix': (4600, 2e9), 'large': (40, 2e9), 'million': (1_000_000, 100e6),
            'papirus': (49_000, 121e6), 'fashion': (FASHION_IMAGES, 12e6), 'pgm': (FASHION_IMAGES, 16e6),
            'json': (JSON_FILES, 400e6), 'docs': (10_000, 150e6), 'usr': (100_000, 4e9), 'neighbour': (10_000, 1.1e9)}


def make_folder(job):
    name, folder, files, path = job
    data = random.Random(f'{name} {folder}')
    os.makedirs(path)
    for file in range(files):
        with open(f'{path}/{file:05}.bin', 'wb') as out:
            out.write(data.randbytes(SEEDED_TREES[name]['size'](data)))


def make_seeded(name, path, scale):
    tree = SEEDED_TREES[name]
    files = max(1, round(tree['files'] * scale))
    jobs = [(name, folder, files, f'{path}/{folder:03}') for folder in range(tree['folders'])]
    # Not multiprocessing.Pool, which ends its workers by a signal: with the handlers of `peers` they may outlive that.
    with concurrent.futures.ProcessPoolExecutor(CORES) as workers:
        for _ in workers.map(make_folder, jobs):
            pass


def copy_papirus(path, scale):
    os.makedirs(path)
    themes = sorted(glob.glob('/usr/share/icons/Papirus*')) if scale == 1 else ['/usr/share/icons/Papirus/16x16']
    subprocess.run(['cp', '-a', *themes, path], check=True)


def write_fashion(path, scale, suffix='png'):
    subprocess.run([f'{REPOSITORY}/tests/support/fashion_mnist.py', path, str(round(FASHION_IMAGES * scale)), suffix], check=True,
                   stdout=subprocess.DEVNULL)


def unpack_documents(path, scale):
    """Without what is there twice: packages link to their own files, and to those of others."""
    os.makedirs(path)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        for package in DOCUMENTS[:max(1, round(len(DOCUMENTS) * scale))]:
            subprocess.run(['apt-get', '-qq', 'download', package], check=True, cwd=folder, stderr=subprocess.DEVNULL)
        for archive in glob.glob(f'{folder}/*.deb'):
            subprocess.run(['dpkg-deb', '-x', archive, path], check=True)


def copy_usr(path, scale):
    os.makedirs(path)
    folders = [f'/usr/./{folder}' for folder in USR_FOLDERS[:max(1, round(len(USR_FOLDERS) * scale))]]
    subprocess.run(['rsync', '-aR', '--exclude=/usr/share/icons', *folders, path], check=True)


WRITERS = {'papirus': copy_papirus, 'fashion': write_fashion, 'docs': unpack_documents, 'usr': copy_usr,
           'pgm': lambda path, scale: write_fashion(path, scale, 'pgm'),
           'json': lambda path, scale: write_debian_json(path, round(JSON_FILES * scale))}


def make_tree(name, scale=1):
    """The path of the tree in the scratch folder; what an earlier run left there is used. `scale` below 1 makes
    fewer files in each folder of a seeded tree, fewer images, and takes one folder of Papirus."""
    path = f'{SCRATCH}/{name}' if scale == 1 else f'{SCRATCH}/{name}-{scale:g}'
    complete = f'{path}.complete'
    if not os.path.exists(complete):
        say(f'making {path}')
        remove_tree(path)
        if name in SEEDED_TREES:
            make_seeded(name, path, scale)
        else:
            WRITERS[name](path, scale)
        open(complete, 'w').close()
    return path


def remove_tree(path):
    """By many threads: a disk that is told of all that is freed (mount option discard) takes a millisecond for each file."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(f'{path}.complete')
    folders = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)] if os.path.exists(path) else []
    with concurrent.futures.ThreadPoolExecutor(REMOVERS) as pool:
        for _ in pool.map(lambda folder: shutil.rmtree(folder, ignore_errors=True), folders):
            pass
    shutil.rmtree(path, ignore_errors=True)


def remove_if_empty(scratch):
    """The scratch folder and its mount point."""
    for folder in (f'{scratch}/mnt', scratch):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def sample_paths(tree):
    """Relative paths of its regular files in bytewise order, the order of the samples' numbers."""
    top = os.fsencode(tree)
    paths = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                paths.append(os.path.relpath(path, top))
    return sorted(paths)
