# SPDX-License-Identifier: Apache-2.0
"""Mounts that are always taken down again, with their loop devices and daemons."""
import contextlib
import ctypes
import json
import os
import signal
import stat
import subprocess
import tempfile
import time

from contestants import mount_command

MOUNT_LIMIT_S = 60  # who takes longer is left out
END_LIMIT_S = 20    # for a daemon to end after its mount

PR_SET_CHILD_SUBREAPER = 36


class CannotMount(Exception):
    pass


def adopt_daemons():
    """A daemon whose starter has ended becomes a child of this process, which can then wait for its end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    with open(f'/proc/self/task/{os.getpid()}/children') as file:
        return [int(pid) for pid in file.read().split()]


def wait_for_daemons():
    """Until all children have ended; those that do not are killed."""
    deadline = time.monotonic() + END_LIMIT_S
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    for pid in children():
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)


def run_quietly(command, limits):
    """CannotMount tells what it printed. A daemon that it leaves behind keeps no pipe open: its output goes to a file."""
    with tempfile.TemporaryFile(mode='w+') as output:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    preexec_fn=limits.join, timeout=MOUNT_LIMIT_S).returncode
        except subprocess.TimeoutExpired:
            raise CannotMount(f'not mounted after {MOUNT_LIMIT_S} s') from None
        if status != 0:
            output.seek(0)
            raise CannotMount(f'{os.path.basename(command[0])}: exit status {status}: {output.read().strip()[-300:]}')


def attach_loop(image, limits):
    direct = 'on' if limits.memory_bytes else 'off'  # limits.py and the table of contestants tell why
    return subprocess.run(['losetup', '--find', '--show', '--read-only', f'--direct-io={direct}', image], check=True,
                          capture_output=True, text=True).stdout.strip()


def wait_for_memory(mnt):
    """Until a mount of Quire has the memory that it takes in the background for a moment after it is there: that belongs to
    mounting, not to the reading that is measured. On a virtual machine whose host has to find the memory first it may take
    seconds. A mount that takes its memory as it is read says at once that it has it."""
    deadline = time.monotonic() + END_LIMIT_S
    with contextlib.suppress(FileNotFoundError):
        while time.monotonic() < deadline:
            with open(f'{mnt}/.quire/stats') as file:
                if json.load(file).get('slots_settled', True):
                    return
            time.sleep(0.05)


def takes_plans(mnt):
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISFIFO(os.stat(f'{mnt}/.quire/plan').st_mode)
    return False


@contextlib.contextmanager
def mounted(contestant, image, mnt, limits):
    """What to read: the mount point, or the image itself where it is read without a file system."""
    if not contestant.mount:
        yield image
        return
    os.makedirs(mnt, exist_ok=True)
    loop = attach_loop(image, limits) if contestant.loop else None
    try:
        run_quietly(mount_command(contestant, loop or image, mnt, limits.memory_bytes), limits)
        if not os.path.ismount(mnt):
            raise CannotMount('its command succeeded, but nothing is mounted')
        if outside := [pid for pid in children() if not limits.hold(pid)]:
            raise CannotMount(f'its daemon {outside[0]} left the cgroup that it was started in')
        if contestant.told_order and not takes_plans(mnt):
            raise CannotMount('this release has no .quire/plan')
        wait_for_memory(mnt)
        yield mnt
    finally:
        if os.path.ismount(mnt):
            unmount(mnt)
        if loop:
            subprocess.run(['losetup', '--detach', loop], check=True)
        wait_for_daemons()


def unmount(mnt):
    for _ in range(20):
        if subprocess.run(['umount', mnt], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)  # someone else may be looking into it
    subprocess.run(['umount', '--lazy', mnt], check=True)


def take_all_down(scratch):
    """Whatever the scratch folder still has, however this run or an earlier one was interrupted."""
    with open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape') as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if point.startswith(f'{scratch}/'):
            subprocess.run(['umount', '--lazy', point])
    loops = subprocess.run(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE'], capture_output=True,
                           text=True).stdout
    for line in loops.splitlines():
        device, _, file = line.strip().partition(' ')
        if file.strip().startswith(f'{scratch}/'):
            subprocess.run(['losetup', '--detach', device])
    for pid in children():
        os.kill(pid, signal.SIGTERM)
    wait_for_daemons()
