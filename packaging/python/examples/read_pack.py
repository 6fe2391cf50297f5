#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a pack without a mount, from a file or a URL: images by PIL, a table by pandas through fsspec.

    read_pack.py PACK
"""
import io
import sys

import pandas
from PIL import Image

import quire
import quire.filesystem


def main(location):
    quire.filesystem.register()  # not needed where the package is installed
    with quire.open(location) as pack:
        images = [path for path in pack if path.endswith('.png')]
        image = Image.open(io.BytesIO(pack[images[0]]))
        print(f'{len(pack)} samples; {images[0]}: {image.format}, {image.size[0]} x {image.size[1]}')
        with pack.open(images[-1]) as file:  # also what is larger than memory
            print(f'{images[-1]}: {Image.open(file).size}')
    table = pandas.read_csv('quire://labels.csv', storage_options={'fo': location})
    print(f'labels.csv: {len(table)} rows, columns {", ".join(table.columns)}')


if __name__ == '__main__':
    main(sys.argv[1])
