# SPDX-License-Identifier: Apache-2.0
"""What tests of tiers have in common: a pack far away, what is read of it, and what a tier's files hold."""
import os
import random

import harness
from web import served_pack

SAMPLES = 120
PAGE = 2 << 20
UNIT = 16 << 10
RECORD = 64  # of a page in the map, which begins with two sets of 128 bits: what is there, and what is being written
HEADER = 4096

make_served = served_pack(SAMPLES)


def assert_all_right(mounted, tree, seed=0):
    names = sorted(os.listdir(tree))
    random.Random(seed).shuffle(names)
    for name in names:
        assert (mounted / name).read_bytes() == (tree / name).read_bytes(), name


def await_kept(mounted, count=1):
    """What was read is written behind those who read it."""
    harness.until(20, lambda: mounted.stats()['tier']['kept_bytes'] >= count, lambda: f'kept: {mounted.stats()["tier"]}')


def await_all_kept(mounted, pack):
    await_kept(mounted, pack.stat().st_size - (1 << 20))


def taken_of(tier):
    """What its files take of the disk; folders are the file system's own."""
    return sum(path.lstat().st_blocks * 512 for path in tier.rglob('*') if path.is_file())
