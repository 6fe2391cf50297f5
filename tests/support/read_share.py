#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a part of a mount in random order, and compares it with the tree.

    read_share.py TREE MOUNT SHARE SEED      SHARE of the samples (0 to 1), each once"""
import random
import sys

from scenario import content, sample_names


def main(tree, mount, share, seed):
    names = sample_names(tree)
    chosen = random.Random(seed).sample(names, round(len(names) * float(share)))
    wrong = [name for name in chosen if content(f'{mount}/{name}') != content(f'{tree}/{name}')]
    if wrong:
        sys.exit(f'{len(wrong)} of {len(chosen)} samples of {mount} are wrong, {wrong[0]} the first')


if __name__ == '__main__':
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
