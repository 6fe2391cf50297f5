"""Who is measured: how each builds its image of a tree, what it needs, and how it is mounted, all in its best mode for
reading samples: nothing compressed, as many threads as it has.

In the commands {tree} is the source tree, {image} the image, {mnt} the mount point, {source} the image or the loop device
over it."""
import os
import shutil
import subprocess
from dataclasses import dataclass

from environment import QUIRE, REPOSITORY

# By the ending of the image's name.
BUILD = {
    'quire': '{quire} pack {tree} -o {image} --force --progress never',
    # Looking for duplicates among files of one size takes mksquashfs ten times as long, so it is spared that.
    'squashfs': 'mksquashfs {tree} {image} -noappend -no-progress -quiet -noI -noD -noF -noX -no-duplicates',
    'erofs': 'mkfs.erofs --quiet {image} {tree}',
    'zip': 'env -C {tree} zip -0 -q -r -y {image} .',
    'tar': 'tar cf {image} -C {tree} .',
    'lmdb': '{bench}/lmdb_image.py {tree} {image}',
}

# The kernel may keep names, attributes and contents: the image does not change.
FUSE_CACHED = 'kernel_cache,entry_timeout=3600,negative_timeout=3600,attr_timeout=3600'


@dataclass(frozen=True)
class Contestant:
    name: str
    title: str
    best_mode: str  # and why it is the best
    packages: tuple = ()
    programs: tuple = ()
    filesystem: str = ''  # of the kernel
    image: str = ''       # a key of BUILD; '': the tree itself
    loop: bool = False    # a loop device lies between image and mount
    mount: str = ''       # '': read without a file system

    def has_filesystem(self):
        return bool(self.mount) or not self.image


CONTESTANTS = [
    Contestant('directory', 'the directory itself', 'as it was made'),
    Contestant('quire', 'Quire, mounted', 'packed in path order', programs=(QUIRE,), image='quire',
               mount='{quire} mount {source} {mnt}'),
    Contestant('pread', 'pack read by pread', 'no file system, sums unchecked; what the layout allows', programs=(QUIRE,),
               image='quire'),
    Contestant('lmdb', 'LMDB', 'keyed by number, in order, read through its map', packages=('python3-lmdb', 'liblmdb0'),
               image='lmdb'),
    Contestant('erofs-file', 'EROFS, file-backed', 'no loop device; mount(2), because mount(8) before 2.41 adds one',
               packages=('erofs-utils',), programs=('mkfs.erofs',), filesystem='erofs', image='erofs',
               mount='{bench}/mount_file erofs {source} {mnt}'),
    Contestant('erofs-loop', 'EROFS, loop', 'buffered loop device; one with direct I/O is as fast',
               packages=('erofs-utils',), programs=('mkfs.erofs',), filesystem='erofs', image='erofs', loop=True,
               mount='mount -t erofs -o ro {source} {mnt}'),
    Contestant('squashfs', 'kernel squashfs', 'blocks of 128 KiB, the default: of 1 MiB it is half as fast, and without'
               ' fragments as fast; buffered loop device: through one with direct I/O it reads tables and fragments again'
               ' and again, and is up to five times slower',
               packages=('squashfs-tools',), programs=('mksquashfs',), filesystem='squashfs', image='squashfs', loop=True,
               mount='mount -t squashfs -o ro {source} {mnt}'),
    Contestant('squashfuse_ll', 'squashfuse_ll', 'the same image; as many threads as it was built for (Debian 12: one)',
               packages=('squashfuse', 'squashfs-tools'), programs=('squashfuse_ll', 'mksquashfs'), image='squashfs',
               mount='squashfuse_ll {source} {mnt}'),
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
    return command.format(quire=QUIRE, bench=f'{REPOSITORY}/tests/bench', **names).split()


def for_people(command):
    return command.format(quire='quire', bench='tests/bench', tree='TREE', image='IMAGE', source='IMAGE', mnt='MNT')


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


def why_not(contestant):
    """Why it cannot take part on this machine; empty where it can."""
    for program in contestant.programs:
        if not shutil.which(program):
            return f'there is no {program}' + ('' if installed_version(contestant.packages[0]) else
                                               f': package {contestant.packages[0]} is not to be had in this release')
    for package in contestant.packages:
        if not installed_version(package):
            return f'package {package} is not installed'
    if contestant.filesystem and not knows_filesystem(contestant.filesystem):
        return f'the kernel has no {contestant.filesystem}'
    if contestant.mount and not contestant.filesystem and not os.path.exists('/dev/fuse'):
        return 'there is no /dev/fuse'
    return ''
