# SPDX-License-Identifier: Apache-2.0
"""A cgroup that readers, mounts and daemons are started in: with less memory than the data, or a slow disk.

Memory counts processes and page cache together. The cache of a file belongs to the group whose process read it first,
that of a FUSE mount to its reader, and what the daemon reads to the daemon. Anonymous memory counts, transparent huge pages
too, but not the pages of hugetlbfs: Quire is told to take none (contestants.py). The cache below a loop device is filled by a
thread of the kernel: version 1 of cgroups charges that to nobody's group, so that a loop mount would escape the limit.
Under a limit of memory the loop devices therefore do direct I/O and have no cache (mounts.py). A slow disk is slow for them
as well: that thread reads on behalf of the group whose request it serves."""
import os
import time

CGROUPS = '/sys/fs/cgroup'


def disk_of(path):
    """MAJOR:MINOR of the whole disk below `path`: a partition cannot be throttled."""
    device = os.stat(path).st_dev
    name = f'{os.major(device)}:{os.minor(device)}'
    if os.path.exists(f'/sys/dev/block/{name}/partition'):
        with open(os.path.realpath(f'/sys/dev/block/{name}') + '/../dev') as file:
            name = file.read().strip()
    if not os.path.exists(f'/sys/dev/block/{name}'):
        raise OSError(f'{path} is on no disk of this machine ({name}), so its reads cannot be throttled')
    return name


class Limits:
    """Without limits it is nobody's group, and nothing is done."""

    def __init__(self, memory_bytes=None, read_bytes_s=None, reads_s=None, disk=None):
        self.memory_bytes = memory_bytes
        self.folders = []
        self.settings = []  # file of the group, value
        version_2 = not os.path.exists(f'{CGROUPS}/memory/memory.limit_in_bytes')
        if memory_bytes:
            self.add('memory', version_2, [('memory.max' if version_2 else 'memory.limit_in_bytes', memory_bytes)])
        if read_bytes_s:
            self.add('io' if version_2 else 'blkio', version_2,
                     [('io.max', f'{disk} rbps={read_bytes_s} riops={reads_s}')] if version_2 else
                     [('blkio.throttle.read_bps_device', f'{disk} {read_bytes_s}'),
                      ('blkio.throttle.read_iops_device', f'{disk} {reads_s}')])

    def add(self, controller, version_2, settings):
        top = CGROUPS if version_2 else f'{CGROUPS}/{controller}'
        folder = f'{top}/quire-peers-{os.getpid()}'
        if version_2:
            self.settings.append((f'{top}/cgroup.subtree_control', f'+{controller}'))
        if folder not in self.folders:
            self.folders.append(folder)
        self.settings += [(f'{folder}/{name}', str(value)) for name, value in settings]

    def __enter__(self):
        try:
            for folder in self.folders:
                os.mkdir(folder)
            for path, value in self.settings:
                with open(path, 'w') as file:
                    file.write(value)
        except OSError:
            self.__exit__()
            raise
        return self

    def join(self):
        """For a process between fork and exec."""
        for folder in self.folders:
            with open(f'{folder}/cgroup.procs', 'w') as file:
                file.write('0')

    def hold(self, process):
        """Whether it is in the group."""
        for folder in self.folders:
            with open(f'{folder}/cgroup.procs') as file:
                if str(process) not in file.read().split():
                    return False
        return True

    def __exit__(self, *_):
        for folder in self.folders:
            for _ in range(50):  # a process that has ended may take a moment to leave
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.1)
                else:
                    break
