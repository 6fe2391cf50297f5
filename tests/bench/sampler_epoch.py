#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Epochs over a folder as a DataLoader makes them, but for torch, whose memory would count in a control group: batches go to worker
processes in turn, two ahead of each, which read whole files. The order is a sampler's of the Python package. Prints JSON: the seconds of each epoch.

    sampler_epoch.py DIR --sampler shuffle|plan|quasi [--epochs N] [--workers N] [--batch N] [--window PAGES] [--seed N]

The list of files is read before (by readdir, as ImageFolder does), and the sampler is made before: both are said."""
import argparse
import itertools
import json
import multiprocessing
import os
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays as it is
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, '../../packaging/python'), os.path.join(HERE, '../support')]

sys.modules['torch'] = None  # which would take more of the memory than small sets have: the samplers do without

import quire.torch
from samplers import Shuffled

AHEAD = 2  # batches of each worker, as a DataLoader's prefetch_factor
BLOCK_BYTES = 1 << 20


def list_files(top):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names)


def read_whole(path, block):
    """Into memory that is there, so that what is measured is the mount and not the allocation of a bytes object."""
    opened = os.open(path, os.O_RDONLY)
    size = 0
    while count := os.readv(opened, [block]):
        size += count
    os.close(opened)
    return size


def work(pipe):
    """Is sent paths, since each process that looks at the list of all would come to a copy of it."""
    block = bytearray(BLOCK_BYTES)
    while (batch := pipe.recv()) is not None:
        pipe.send(sum(read_whole(path, block) for path in batch))


def make_sampler(kind, paths, window, seed):
    if kind == 'quasi':
        return quire.torch.PlanSampler(quire.torch.QuasiRandomSampler(paths, window=window, seed=seed))
    plain = Shuffled(paths, seed)
    return plain if kind == 'shuffle' else quire.torch.PlanSampler(plain)


def run_epoch(sampler, paths, pipes, batch_samples):
    """Samples, bytes."""
    indices, samples, size, waiting = iter(sampler), 0, 0, []
    for turn in itertools.count():
        batch = list(itertools.islice(indices, batch_samples))
        if len(waiting) == AHEAD * len(pipes) or not batch:  # batches come back in the order in which they were sent
            size += waiting.pop(0).recv() if waiting else 0
        if batch:
            pipes[turn % len(pipes)].send([paths[index] for index in batch])
            waiting.append(pipes[turn % len(pipes)])
            samples += len(batch)
        elif not waiting:
            return samples, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', metavar='DIR')
    parser.add_argument('--sampler', choices=('shuffle', 'plan', 'quasi'), required=True)
    parser.add_argument('--epochs', type=int, default=2)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--window', type=int, default=64)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    ends = [multiprocessing.Pipe() for _ in range(options.workers)]
    workers = [multiprocessing.Process(target=work, args=(theirs,), daemon=True) for _, theirs in ends]
    for worker in workers:
        worker.start()
    pipes = [ours for ours, _ in ends]
    begin = time.monotonic()
    paths = list_files(options.folder)
    listed = time.monotonic()
    sampler = make_sampler(options.sampler, paths, options.window, options.seed)
    result = {'samples': len(paths), 'list_seconds': listed - begin, 'sampler_seconds': time.monotonic() - listed, 'epochs': []}
    for epoch in range(options.epochs):
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
        begin = time.monotonic()
        samples, size = run_epoch(sampler, paths, pipes, options.batch)
        seconds = time.monotonic() - begin
        assert samples == len(paths), f'{samples} of {len(paths)} samples'
        result['epochs'].append({'seconds': seconds, 'bytes': size})
    for pipe in pipes:
        pipe.send(None)
    for worker in workers:
        worker.join()
    print(json.dumps(result))


if __name__ == '__main__':
    main()
