#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA DALI's file reader over a mount: the reader is given the files in the order that the mount was told.

    dali_file_reader.py FOLDER

Not run: neither Debian nor a machine without a GPU has DALI. What it asks of Quire, paths in an order, was: by the tests of quire.plan()."""
import os
import random
import sys

from nvidia.dali import fn, pipeline_def

import quire

BATCH = 64


@pipeline_def(batch_size=BATCH, num_threads=4, device_id=0)
def images(files, labels):
    encoded, label = fn.readers.file(files=files, labels=labels, random_shuffle=False, name='reader')
    return fn.decoders.image(encoded, device='mixed'), label


def main(folder):
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    samples = [(entry.path, label) for label, name in enumerate(classes) for entry in os.scandir(os.path.join(folder, name))]
    for epoch in range(2):
        random.Random(epoch).shuffle(samples)
        files, labels = map(list, zip(*samples))
        quire.plan(folder, files)
        pipe = images(files, labels)
        pipe.build()
        for _ in range(len(files) // BATCH):
            pipe.run()
        print(f'epoch {epoch}: {len(files) // BATCH} batches')


if __name__ == '__main__':
    main(sys.argv[1])
