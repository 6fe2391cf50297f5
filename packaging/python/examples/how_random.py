#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how random QuasiRandomSampler is beside a full shuffle and the order of the pack: the table of README.md.

    how_random.py [SAMPLES [CLASSES [SAMPLES_OF_A_PAGE]]]      by default a tenth of ImageNet: 128,000, 1000, 19

Samples lie class by class in the pack, as `quire pack` packs an ImageFolder; a batch is 256 samples.
  correlation   of a sample's place in the epoch with its place in the pack (Pearson's, over all samples)
  neighbour     of the places of a sample and of the next one in the epoch, in the pack
  classes       that a batch has, on average
  met again     the share of pairs of samples in a batch that are in one batch of the next epoch too"""
import random
import statistics
import sys

from quire.torch import QuasiRandomSampler

BATCH = 256
PAIRS_OF_A_BATCH = 40


def met_again(batches, batch_of_next, draws):
    met = tried = 0
    for batch in batches:
        for _ in range(PAIRS_OF_A_BATCH):
            left, right = draws.sample(batch, 2)
            met += batch_of_next[left] == batch_of_next[right]
            tried += 1
    return met / tried


def measure(orders, labels):
    """`orders`: those of two epochs."""
    places = range(len(labels))
    order = orders[0]
    batches = [order[at:at + BATCH] for at in range(0, len(order) - BATCH + 1, BATCH)]
    return (statistics.correlation(places, order), statistics.correlation(order[:-1], order[1:]),
            statistics.mean(len({labels[sample] for sample in batch}) for batch in batches),
            met_again(batches, {sample: at // BATCH for at, sample in enumerate(orders[1])}, random.Random(1)))


def shuffled(samples, seed):
    order = list(range(samples))
    random.Random(seed).shuffle(order)
    return order


def quasi_random(pages, window):
    sampler = QuasiRandomSampler(pages=pages, window=window)
    orders = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    return orders


def main(samples=128_000, classes=1000, of_page=19):
    pages = [number // of_page for number in range(samples)]
    labels = [number * classes // samples for number in range(samples)]
    rows = [('order of the pack', None, [list(range(samples))] * 2)]
    rows += [(f'window={window}', window, quasi_random(pages, window)) for window in (1, 16, 64, 256, 1024)]
    rows.append(('full shuffle', None, [shuffled(samples, 1), shuffled(samples, 2)]))
    print(f'{samples} samples of {classes} classes in {pages[-1] + 1} pages\n')
    print('| | memory | correlation | neighbour | classes | met again |\n|---|---:|---:|---:|---:|---:|')
    for name, window, orders in rows:
        place, neighbour, mixed, again = measure(orders, labels)
        memory = f'{2 * window} MiB' if window else 'all' if name == 'full shuffle' else '2 MiB'
        print(f'| {name} | {memory} | {place:.3f} | {neighbour:.3f} | {mixed:.1f} | {again:.4f} |')


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
