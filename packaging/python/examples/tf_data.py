#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tf.data over a mount: an order that is told to the mount, epoch by epoch.

    tf_data.py FOLDER

Not run: Debian has no package of TensorFlow. What it asks of Quire, paths in an order, was: by the tests of quire.plan()."""
import os
import random
import sys

import tensorflow as tf

import quire


def main(folder):
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    samples = [(entry.path, label) for label, name in enumerate(classes) for entry in os.scandir(os.path.join(folder, name))]
    for epoch in range(2):
        random.Random(epoch).shuffle(samples)
        paths = [path for path, _ in samples]
        quire.plan(folder, paths)  # the order of this epoch: no shuffle() below, or the plan is wrong
        data = tf.data.Dataset.from_tensor_slices((paths, [label for _, label in samples]))
        data = data.map(lambda path, label: (tf.io.decode_image(tf.io.read_file(path), expand_animations=False), label),
                        num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        seen = sum(1 for _ in data.prefetch(tf.data.AUTOTUNE))
        print(f'epoch {epoch}: {seen} samples')


if __name__ == '__main__':
    main(sys.argv[1])
