#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Loads a folder of images twice by torchvision's ImageFolder and a shuffling DataLoader with workers, and compares.

    same_batches.py SOURCE MOUNT      fails at the first sample whose tensor or label differs
"""
import sys

import torch
from torchvision import datasets, transforms


def images(folder):
    return datasets.ImageFolder(folder, transform=transforms.ToTensor())


def shuffled(dataset, workers, seed):
    """Batches of images and labels."""
    order = torch.Generator().manual_seed(seed)
    return torch.utils.data.DataLoader(dataset, batch_size=256, shuffle=True, generator=order, num_workers=workers)


def main(source, mount):
    source_set, mount_set = images(source), images(mount)
    source_batches, mount_batches = shuffled(source_set, 2, 7), shuffled(mount_set, 2, 7)
    assert source_set.classes == mount_set.classes, 'the classes differ'
    relative = [[path[len(root):] for path, _ in data.samples] for root, data in ((source, source_set), (mount, mount_set))]
    assert relative[0] == relative[1], 'the lists of samples differ'
    compared = 0
    for (images, labels), (mount_images, mount_labels) in zip(source_batches, mount_batches, strict=True):
        for sample in range(len(labels)):
            assert torch.equal(images[sample], mount_images[sample]), f'sample {compared}: the tensors differ'
            assert labels[sample] == mount_labels[sample], f'sample {compared}: the labels differ'
            compared += 1
    assert compared == len(source_set) > 0
    print(f'{compared} shuffled samples are the same, tensor by tensor and label by label')


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
