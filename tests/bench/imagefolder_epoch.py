#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One epoch as people train: torchvision's ImageFolder of a folder of images, then a shuffling DataLoader with workers that
read and decode every image. The machine's caches are dropped before (root), but after all that Python loads. Prints JSON.

    imagefolder_epoch.py DIR --workers N --seed N
"""
import argparse
import json
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), '../support'))

from PIL import Image

from environment import drop_caches
from same_batches import images, shuffled


def epoch(folder, workers, seed):
    """The parts of it, with their wall time."""
    start = time.monotonic()
    dataset = images(folder)
    listed = time.monotonic()
    samples = sum(len(labels) for _, labels in shuffled(dataset, workers, seed))  # the start of the workers belongs to it
    done = time.monotonic()
    return [{'part': part, 'samples': count, 'seconds': seconds, 'samples_per_second': count / seconds}
            for part, count, seconds in (('ImageFolder', len(dataset), listed - start), ('epoch', samples, done - listed))]


def load_everything(workers):
    """All modules and plug-ins that an epoch needs, by one over a single image."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f'{folder}/class')
        Image.new('L', (28, 28)).save(f'{folder}/class/image.png')
        epoch(folder, workers, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', metavar='DIR')
    parser.add_argument('--workers', type=int, required=True)
    parser.add_argument('--seed', type=int, required=True)
    options = parser.parse_args()
    load_everything(options.workers)
    drop_caches()
    print(json.dumps({'results': epoch(options.folder, options.workers, options.seed)}))


if __name__ == '__main__':
    main()
