#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Samples as WebDataset has them, dictionaries of all files that share a name, out of a pack, in any order: without shards.

    webdataset_samples.py PACK

Run by the tests as far as the dictionaries; the pipeline of webdataset, below, was not: Debian has no package of it."""
import itertools
import os
import sys

import quire


def samples_of(pack):
    """{'__key__': 'train/0001', 'jpg': bytes, 'cls': bytes}, ... A name ends at the first dot behind its folder, as in webdataset."""
    def key_of(path):
        folder, name = os.path.split(path)
        return os.path.join(folder, name.split('.')[0])

    # Files of one sample stand together in the order of names.
    for key, paths in itertools.groupby(sorted(pack), key_of):
        sample = {'__key__': key}
        for path in paths:
            sample[path[len(key) + 1:].lower()] = pack[path]
        yield sample


def make_pipeline(location):
    """For a DataLoader. REQUIRES: the module webdataset."""
    import webdataset  # pylint: disable=import-outside-toplevel,import-error
    return webdataset.DataPipeline(lambda: samples_of(quire.open(location)), webdataset.shuffle(1000), webdataset.decode('pil'),
                                   webdataset.to_tuple('png', 'cls'))


def main(location):
    with quire.open(location) as pack:
        samples = list(samples_of(pack))
    print(f'{len(samples)} samples; the first: {samples[0]["__key__"]} with {", ".join(sorted(samples[0].keys() - {"__key__"}))}')


if __name__ == '__main__':
    main(sys.argv[1])
