#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hugging Face datasets: imagefolder over a mount. Its table keeps paths, and images are read when they are asked for.

    hf_imagefolder.py FOLDER

Not run: Debian has no package of datasets. What it asks of Quire, paths in an order, was: by the tests of PlanSampler."""
import sys

from datasets import Image, load_dataset
from torch.utils.data import DataLoader, RandomSampler

from quire.torch import PlanSampler


def main(folder):
    data = load_dataset('imagefolder', data_dir=folder, split='train')
    paths = [row['path'] for row in data.cast_column('image', Image(decode=False))['image']]
    sampler = PlanSampler(RandomSampler(data), paths=paths)
    loader = DataLoader(data.with_format('torch'), batch_size=64, sampler=sampler, num_workers=2)
    print(f'{sum(len(batch["label"]) for batch in loader)} samples')


if __name__ == '__main__':
    main(sys.argv[1])
