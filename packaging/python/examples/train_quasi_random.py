#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goes through an ImageFolder of a mount in quasi-random order, told to the mount, and is stopped and goes on in the middle.

    train_quasi_random.py FOLDER
"""
import sys

from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from quire.torch import PlanSampler, QuasiRandomSampler

BATCH = 64


def main(folder):
    dataset = datasets.ImageFolder(folder, transforms.ToTensor())
    sampler = PlanSampler(QuasiRandomSampler(dataset, window=64, seed=7))  # 128 MiB
    loader = DataLoader(dataset, batch_size=BATCH, sampler=sampler, num_workers=2)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        labels = [int(label) for _, batch in loader for label in batch]
        first = len(set(labels[:BATCH]))
        print(f'epoch {epoch}: {len(labels)} samples, {first} of {len(dataset.classes)} classes in the first batch')
    # As a job does that was stopped after five batches of epoch 1 and has kept these two numbers.
    sampler.set_epoch(1, start=5 * BATCH)
    rest = [int(label) for _, batch in loader for label in batch]
    assert rest == labels[5 * BATCH:]
    print(f'epoch 1 from batch 5 on: {len(rest)} samples, the same ones')


if __name__ == '__main__':
    main(sys.argv[1])
