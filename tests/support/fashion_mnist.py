#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the 70,000 images of Debian's dataset-fashion-mnist as PNG files, or raw as PGM, in ten class folders.

    fashion_mnist.py DIR [COUNT [pgm]]      makes DIR/CLASS/NUMBER.png, or .pgm, of the first COUNT alone
"""
import gzip
import os
import struct
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor

SOURCE = '/usr/share/datasets/fashion-mnist'
CLASSES = ['T-shirt', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot']


def records(path, header_bytes, record_bytes):
    with gzip.open(path) as file:
        data = file.read()
    return [data[at:at + record_bytes] for at in range(header_bytes, len(data), record_bytes)]


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(pixels, side=28):
    """An 8-bit grey image; every row has filter type 0."""
    rows = b''.join(b'\0' + pixels[at:at + side] for at in range(0, side * side, side))
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(rows, 6)) + chunk(b'IEND', b'')


def pgm(pixels, side=28):
    return f'P5 {side} {side} 255\n'.encode() + pixels


def write(job):
    folder, label, numbered, suffix = job
    folder = os.path.join(folder, CLASSES[label])
    os.makedirs(folder, exist_ok=True)
    for number, pixels in numbered:
        with open(os.path.join(folder, f'{number:05}.{suffix}'), 'wb') as file:
            file.write({'png': png, 'pgm': pgm}[suffix](pixels))


def main(target, count=70_000, suffix='png'):
    jobs = []
    number = 0
    for part in ('train', 't10k'):
        images = records(f'{SOURCE}/{part}-images-idx3-ubyte.gz', 16, 28 * 28)
        labels = b''.join(records(f'{SOURCE}/{part}-labels-idx1-ubyte.gz', 8, 1))
        by_class = [[] for _ in CLASSES]
        for pixels, label in zip(images[:count - number], labels):
            by_class[label].append((number, pixels))
            number += 1
        jobs += [(target, label, numbered, suffix) for label, numbered in enumerate(by_class)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(write, jobs))
    print(f'{number} images in {len(CLASSES)} folders')


if __name__ == '__main__':
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:3]), *sys.argv[3:])
