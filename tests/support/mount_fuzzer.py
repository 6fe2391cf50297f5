#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mounts packs whose numbers were changed, with good sums, and uses all that is in them: the daemon must live.

    mount_fuzzer.py QUIRE FORGE_PACK PACK SCRATCH FIRST_SEED COUNT

PACK is changed COUNT times by `FORGE_PACK mutate SEED`. A pack may be refused, with exit status 1 and a message; what is
mounted is walked, and each entry asked for status, target, attributes and bytes. Where something fails, the pack is kept in
SCRATCH as seed-N.quire."""
import os
import stat
import subprocess
import sys
import time

MOST_ENTRIES = 2000  # of a pack: a hostile one may list more than it has
MOST_BYTES = 4 << 20  # of a file: its size may be anything
LIMIT_S = 60  # for one pack


class Died(Exception):
    pass


def use_entry(path):
    """Whether it is a directory. What a pack says wrongly is an OSError, which is fine."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            os.readlink(path)
            return False
        for name in os.listxattr(path, follow_symlinks=False):
            os.getxattr(path, name, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            with open(path, 'rb', buffering=0) as file:
                while file.tell() < MOST_BYTES and file.read(128 << 10):
                    pass
                file.seek(max(status.st_size - 4096, 0))
                file.read(4096)
    except OSError:
        pass
    else:
        return stat.S_ISDIR(status.st_mode)
    return False


def use_everything(mount):
    """The number of entries that were used."""
    pending, used = [mount], 0
    while pending and used < MOST_ENTRIES:
        folder = pending.pop()
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names[:MOST_ENTRIES - used]:
            used += 1
            if use_entry(f'{folder}/{name}'):
                pending.append(f'{folder}/{name}')
    return used


def try_pack(quire, pack, mount):
    """How many entries were used; None where the pack was refused."""
    mounted = subprocess.run([quire, 'mount', pack, mount], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=LIMIT_S, check=False)
    if mounted.returncode == 1:
        if not mounted.stdout.strip():
            raise Died('mount says nothing')
        return None
    if mounted.returncode != 0:
        raise Died(f'mount ends with {mounted.returncode}: {mounted.stdout}')
    try:
        used = use_everything(mount)
        with open(f'{mount}/.quire/stats', 'rb') as stats:
            stats.read()
    except OSError as error:
        raise Died(f'the mount is gone: {error}') from error
    finally:
        subprocess.run([quire, 'umount', mount], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=LIMIT_S, check=False)
    return used


def main(quire, forge_pack, pack, scratch, first_seed, count):
    mount = f'{scratch}/fuzzed'
    os.makedirs(mount, exist_ok=True)
    refused = used = failed = 0
    next_line = time.monotonic() + 10
    for seed in range(int(first_seed), int(first_seed) + int(count)):
        forged = f'{scratch}/seed-{seed}.quire'
        subprocess.run([forge_pack, 'mutate', str(seed), pack, forged], check=True)
        try:
            entries = try_pack(quire, forged, mount)
        except (Died, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f'seed {seed}: {error}', flush=True)
            subprocess.run(['fusermount3', '-u', '-z', mount], stderr=subprocess.DEVNULL, check=False)
            continue
        os.unlink(forged)
        refused += entries is None
        used += entries or 0
        if time.monotonic() > next_line:
            print(f'{seed - int(first_seed) + 1} packs so far', flush=True)
            next_line += 10
    print(f'{count} packs: {refused} refused, {used} entries used of the others, {failed} failed')
    print(f'tried: {count} changed packs with good sums, mounted and used')
    return failed == 0


if __name__ == '__main__':
    sys.exit(0 if main(*sys.argv[1:]) else 1)
