"""The trees that the benchmarks read: files of incompressible bytes from a seed, without repeats, so that there is nothing
to compress or to deduplicate; and a real one, Debian's icon theme Papirus."""
import concurrent.futures
import glob
import math
import os
import random
import shutil
import subprocess

from environment import CORES, SCRATCH, say

# Log-normal sizes with a mean of 110 KB are those of photographs.
SEEDED_TREES = {
    'tiny': {'title': '100,000 files of 3 KB', 'folders': 100, 'files': 1000, 'size': lambda place: 3072},
    'image': {'title': '20,000 files, log-normal around 110 KB', 'folders': 20, 'files': 1000,
              'size': lambda place: int(place.lognormvariate(math.log(110_000) - 0.5 ** 2 / 2, 0.5))},
    'large': {'title': '40 files of 50 MB', 'folders': 4, 'files': 10, 'size': lambda place: 50_000_000},
}
TITLES = {name: tree['title'] for name, tree in SEEDED_TREES.items()} | {
    'papirus': 'the icon theme Papirus, 49,000 files of 2.5 KB and as many symlinks'}


# About how many files and bytes that is, to tell how long a run will take.
EXPECTED = {'tiny': (100_000, 307e6), 'image': (20_000, 2.2e9), 'large': (40, 2e9), 'papirus': (49_000, 121e6)}


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


def make_tree(name, scale=1):
    """The path of the tree in the scratch folder; what an earlier run left there is used. `scale` below 1 makes
    fewer files in each folder of a seeded tree, and takes one folder of Papirus."""
    path = f'{SCRATCH}/{name}' if scale == 1 else f'{SCRATCH}/{name}-{scale:g}'
    complete = f'{path}.complete'
    if not os.path.exists(complete):
        say(f'making {path}')
        shutil.rmtree(path, ignore_errors=True)
        if name in SEEDED_TREES:
            make_seeded(name, path, scale)
        else:
            copy_papirus(path, scale)
        open(complete, 'w').close()
    return path


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
