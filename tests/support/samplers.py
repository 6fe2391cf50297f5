# SPDX-License-Identifier: Apache-2.0
"""Samplers as torch has them, for tests without torch."""
import random


class Shuffled:
    """A sampler that knows its dataset, as RandomSampler does, and draws anew each epoch."""

    def __init__(self, dataset, seed=0):
        self.data_source, self.chance = dataset, random.Random(seed)

    def __len__(self):
        return len(self.data_source)

    def __iter__(self):
        order = list(range(len(self.data_source)))
        self.chance.shuffle(order)
        return iter(order)
