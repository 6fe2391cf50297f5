# SPDX-License-Identifier: Apache-2.0
"""Who is measured: how each builds its image of a tree, what it needs, and how it is mounted, all in its best mode for
reading samples: nothing compressed unless that is better, as many threads as it has.

In the commands {tree} is the source tree, {image} the image, {mnt} the mount point, {source} the image or the loop device
over it."""
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass

import figures
from environment import CORES, NEWER, QUIRE, REPOSITORY

# By the ending of the image's name.
BUILD = {
    'quire': '{quire} pack {tree} -o {image} --force --progress never',
    # Looking for duplicates among files of one size takes mksquashfs ten times as long, so it is spared that.
    'squashfs': 'mksquashfs {tree} {image} -noappend -no-progress -quiet -no-duplicates',
    'erofs': 'mkfs.erofs --quiet {image} {tree}',
    'zip': 'env -C {tree} zip -0 -q -r -y {image} .',
    'tar': 'tar --sort=name -cf {image} -C {tree} .',  # in path order, for who reads it from its start to its end
    'lmdb': '{bench}/lmdb_image.py {tree} {image}',
    'dwarfs': 'mkdwarfs --input={tree} --output={image} --no-progress --log-level=error',
    'ext4': '{bench}/fs_image ext4 {tree} {image}',
    'xfs': '{bench}/fs_image xfs {tree} {image}',
}

# The kernel may keep names, attributes and contents: the image does not change.
FUSE_CACHED = 'kernel_cache,entry_timeout=3600,negative_timeout=3600,attr_timeout=3600'


class NotToBeHad(Exception):
    pass


@dataclass(frozen=True)
class Choice:
    """What is best for a data set is tried (trials.py)."""
    alternatives: tuple
    of_mount: bool = False  # options of the mount; else words for building the image


SQUASHFS_UNCOMPRESSED = '-noI -noD -noF -noX'
SQUASHFS_IMAGES = (Choice((SQUASHFS_UNCOMPRESSED, '-comp lz4', '-comp zstd')), Choice(('-b 4K', '-b 16K', '-b 128K', '-b 1M')),
                   Choice(('', '-no-fragments')))
DWARFS = (Choice(('--compression=null', '--compression=lz4', '--compression=zstd:level=3')),
                 Choice(('--block-size-bits=18', '--block-size-bits=20', '--block-size-bits=24')),
                 Choice(('', 'cache_image'), of_mount=True))
# Linux 6.2 and later, where it was built for it; a kernel that was not refuses them.
SQUASHFS_THREADS = Choice(('', 'threads=multi', 'threads=percpu', f'threads={CORES}'), of_mount=True)


@dataclass(frozen=True)
class Contestant:
    name: str
    title: str
    best_mode: str  # and why it is the best
    packages: tuple = ()
    programs: tuple = ()
    newer: str = ''       # the package of Debian testing that has its programs, for where they are not to be had otherwise
    filesystem: str = ''  # of the kernel
    image: str = ''       # a key of BUILD; '': the tree itself
    loop: bool = False    # a loop device lies between image and mount
    mount: str = ''       # '': read without a file system
    options: str = ''     # of the mount; of `quire mount` an earlier release may not know them
    choices: tuple = ()   # what is tried for each data set; what is best then stands in options and build_options
    build_options: str = ''
    cache_share: float = 0   # of a limit of memory, that Quire is told to take; 0: as much as it takes by itself
    told_order: bool = False  # what is read next is told to the mount before
    core: bool = False    # takes part even where most would take too long
    main: bool = False    # takes part in the experiments that are made with few
    only_in: tuple = ()   # takes part in these experiments alone; (): in all
    also_in: tuple = ()   # takes part in these though it is not main, or though few do

    def ending(self):
        """Of the image's name."""
        return (self.build_options.replace(' ', '') + '.' if self.build_options else '') + self.image

    def has_filesystem(self):
        return bool(self.mount) or not self.image

    def has_daemon(self):
        return bool(self.mount) and not self.filesystem


# The kernel charges transparent huge pages to the cgroup that they are used in, as it does ordinary ones, but not those of
# hugetlbfs, which would lie outside the limit.
OPTION_UNDER_MEMORY_LIMIT = 'huge=thp'
PLAN_CACHE_SHARE = 0.65  # of the limit: the rest is for the page cache that is pushed into, and for the processes

QUIRE_ARCHIVE = '{quire} mount -o index={source}.index {source} {mnt}'

CONTESTANTS = [
    Contestant('directory', 'the directory itself', 'as it was made', core=True, main=True, also_in=('plan',)),
    Contestant('quire', 'Quire, mounted', 'packed in path order; under a limit of memory with -o ' + OPTION_UNDER_MEMORY_LIMIT +
               ': the limit does not count other huge pages', programs=(QUIRE,), image='quire',
               mount='{quire} mount {source} {mnt}', core=True, main=True),
    Contestant('quire-page-lru', 'Quire, whole-page LRU', 'not its best mode: what its choice of reads and evictions is worth',
               programs=(QUIRE,), image='quire', mount='{quire} mount {source} {mnt}', options='admit=page,policy=lru',
               main=True, only_in=('memory',)),
    Contestant('quire-plan', 'Quire, told the order', f'each epoch by .quire/plan; with a cache_size of {PLAN_CACHE_SHARE:.0%} of'
               ' the memory, which a plan fills with what is read next', programs=(QUIRE,), image='quire',
               mount='{quire} mount {source} {mnt}', cache_share=PLAN_CACHE_SHARE, told_order=True, main=True, only_in=('plan',)),
    Contestant('quire-tar', 'Quire, a tar as it is', 'in path order; its index was made before', packages=('tar',),
               programs=(QUIRE,), image='tar', mount=QUIRE_ARCHIVE),
    Contestant('quire-zip', 'Quire, a zip as it is', 'stored; its index was made before', packages=('zip',),
               programs=(QUIRE, 'zip'), image='zip', mount=QUIRE_ARCHIVE),
    Contestant('pread', 'pack read by pread', 'no file system, sums unchecked; what the layout allows', programs=(QUIRE,),
               image='quire'),
    Contestant('lmdb', 'LMDB', 'keyed by number, in order, read through its map', packages=('python3-lmdb', 'liblmdb0'),
               image='lmdb'),
    Contestant('tar', 'tar, by an index', 'no file system; path order is the order of the archive, which is then read from its'
               ' start to its end, as WebDataset reads its shards: by one reader a reference for all in path order',
               packages=('tar',), image='tar', also_in=('cold_path',)),
    Contestant('zip', 'zip, by libzip', 'no file system; stored', packages=('zip',), programs=('zip',), image='zip'),
    Contestant('erofs-file', 'EROFS, file-backed', 'no loop device; mount(2), because mount(8) before 2.41 adds one',
               packages=('erofs-utils',), programs=('mkfs.erofs',), filesystem='erofs', image='erofs',
               mount='{bench}/mount_file erofs {source} {mnt}', main=True, also_in=('plan',)),
    Contestant('erofs-loop', 'EROFS, loop', 'buffered loop device; one with direct I/O is as fast',
               packages=('erofs-utils',), programs=('mkfs.erofs',), filesystem='erofs', image='erofs', loop=True,
               mount='mount -t erofs -o ro {source} {mnt}', main=True, also_in=('plan',)),
    Contestant('ext4-loop', 'ext4, loop', 'written in path order; buffered loop device', packages=('e2fsprogs', 'tar'),
               programs=('mkfs.ext4',), filesystem='ext4', image='ext4', loop=True, mount='mount -t ext4 -o ro {source} {mnt}'),
    Contestant('xfs-loop', 'XFS, loop', 'written in path order; buffered loop device', packages=('xfsprogs', 'tar'),
               programs=('mkfs.xfs',), filesystem='xfs', image='xfs', loop=True,
               mount='mount -t xfs -o ro,nouuid,norecovery {source} {mnt}'),
    Contestant('squashfs', 'kernel squashfs', 'compression, block size, fragments and threads as tried for each data set; buffered'
               ' loop device: through one with direct I/O it reads tables and fragments again and again, and is up to five times'
               ' slower', packages=('squashfs-tools',), programs=('mksquashfs',), filesystem='squashfs', image='squashfs',
               loop=True, mount='mount -t squashfs -o ro {source} {mnt}', choices=(*SQUASHFS_IMAGES, SQUASHFS_THREADS), main=True),
    Contestant('squashfuse_ll', 'squashfuse_ll', 'an image as tried for each data set; as many threads as it was built for (Debian'
               ' 12: one)', packages=('squashfuse', 'squashfs-tools'), programs=('squashfuse_ll', 'mksquashfs'), image='squashfs',
               mount='squashfuse_ll {source} {mnt}', choices=SQUASHFS_IMAGES, also_in=('imagefolder',)),
    Contestant('squashfuse_ll-newer', 'squashfuse_ll of Debian testing', 'an image as tried for each data set; several threads', packages=('squashfs-tools',),
               programs=(f'{NEWER}/bin/squashfuse_ll', 'mksquashfs'), newer='squashfuse', image='squashfs',
               mount='{newer}/bin/squashfuse_ll {source} {mnt}', choices=SQUASHFS_IMAGES),
    Contestant('dwarfs', 'DwarFS', 'compression, blocks and use of the kernel\'s cache as tried for each data set; as many workers as'
               ' cores',
               programs=('mkdwarfs', 'dwarfs'), newer='dwarfs', image='dwarfs', choices=DWARFS,
               mount=f'dwarfs {{source}} {{mnt}} -o workers={CORES}'),
    Contestant('erofsfuse', 'erofsfuse', 'the same image as EROFS', packages=('erofsfuse', 'erofs-utils'),
               programs=('erofsfuse', 'mkfs.erofs'), image='erofs', mount='erofsfuse {source} {mnt}'),
    Contestant('fuse-zip', 'fuse-zip', 'stored, read-only, kernel caches for an hour', packages=('fuse-zip', 'zip'),
               programs=('fuse-zip', 'zip'), image='zip', mount='fuse-zip -r -o ' + FUSE_CACHED + ' {source} {mnt}'),
    Contestant('archivemount', 'archivemount', 'tar, kernel caches for an hour; it looks for a file from the start of the'
               ' archive at every read', packages=('archivemount', 'tar'), programs=('archivemount', 'tar'), image='tar',
               mount='archivemount -o readonly,nobackup,' + FUSE_CACHED + ' {source} {mnt}'),
]


def expand(command, **names):
    """The words of a command of this table; `names` are tree, image, source, mnt. REQUIRES: no spaces in them."""
    return command.format(quire=QUIRE, bench=f'{REPOSITORY}/tests/bench', newer=NEWER, **names).split()


def build_command(image_kind, tree, image, options=''):
    return expand(BUILD[image_kind], tree=tree, image=image) + options.split()


def mount_command(contestant, source, mnt, memory_bytes):
    """`memory_bytes`: the limit; None where there is none."""
    options = contestant.options.split(',') if contestant.options else []
    if memory_bytes and contestant.mount.startswith('{quire}') and knows_mount_option(OPTION_UNDER_MEMORY_LIMIT):
        options.append(OPTION_UNDER_MEMORY_LIMIT)
    if memory_bytes and contestant.cache_share:
        options.append(f'cache_size={figures.whole_mebibytes(contestant.cache_share * memory_bytes)}M')
    return expand(contestant.mount, source=source, mnt=mnt) + (['-o', ','.join(options)] if options else [])


def for_people(command):
    return command.format(quire='quire', bench='tests/bench', newer='NEWER', tree='TREE', image='IMAGE', source='IMAGE', mnt='MNT')


def installed_version(package):
    """Empty where it is not installed."""
    query = subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Status} ${Version}', package], capture_output=True,
                           text=True)
    status, _, version = query.stdout.partition(' ')
    return version if status == 'installed' else ''


def knows_filesystem(name):
    if shutil.which('modprobe'):
        subprocess.run(['modprobe', '-q', name])  # fails where it is built in
    with open('/proc/filesystems') as file:
        return name in file.read().split()


def fetch_newer(contestant):
    """Its programs from Debian testing, where they are not there: the version, or empty where there was nothing to do."""
    missing = [os.path.basename(program) for program in contestant.programs if not shutil.which(program)]
    if not contestant.newer or not missing:
        return ''
    fetched = subprocess.run([f'{REPOSITORY}/tests/bench/newer', NEWER, contestant.newer, *missing], capture_output=True, text=True)
    if fetched.returncode != 0:
        raise NotToBeHad(fetched.stderr.strip().splitlines()[-1])
    return fetched.stdout.strip()


@functools.cache
def knows_mount_option(option):
    """Whether this `quire` does: it refuses an option that it does not know before it looks at anything else."""
    refused = subprocess.run([QUIRE, 'mount', '/nonexistent', '/nonexistent', '-o', option], capture_output=True, text=True)
    return 'unknown option' not in refused.stderr


def why_not(contestant):
    """Why it cannot take part on this machine; empty where it can."""
    for program in contestant.programs:
        if not shutil.which(program):
            absent = [package for package in contestant.packages if not installed_version(package)]
            return f'there is no {program}' + (f': package {absent[0]} is not to be had in this release' if absent else '')
    for option in contestant.options.split(',') if contestant.options else []:
        if not knows_mount_option(option):
            return f'this release has no mount option {option}'
    for package in contestant.packages:
        if not installed_version(package):
            return f'package {package} is not installed'
    if contestant.filesystem and not knows_filesystem(contestant.filesystem):
        return f'the kernel has no {contestant.filesystem}'
    if contestant.mount and not contestant.filesystem and not os.path.exists('/dev/fuse'):
        return 'there is no /dev/fuse'
    return ''
