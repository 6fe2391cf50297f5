#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads samples in random order and compares them, until the mount is gone.

    checked_reader.py TREE MOUNT NUMBER [PROGRESS]

Prints what is wrong; errors of a mount that goes away are not. Every third NUMBER tells its order beforehand, every third
keeps files open. With PROGRESS it goes on whatever becomes of the mount, until it is killed, and that file tells how many
reads were right and how many failed."""
import contextlib
import errno
import os
import random
import sys
import threading
import time

GONE = (errno.ENOTCONN, errno.ENOENT, errno.ECONNABORTED, errno.EIO, errno.ENODEV)
MOST_HELD = 50
WAITS_FOR_MOUNT_S = 0.01


class Reader:
    def __init__(self, tree, mount, number, progress):
        self.mount, self.number = mount, number
        self.chance = random.Random(number)
        self.progress = progress and os.open(progress, os.O_CREAT | os.O_WRONLY)
        self.right = self.failed = 0
        self.held = []
        paths = [os.path.relpath(os.path.join(folder, name), tree) for folder, _, names in os.walk(tree) for name in names]
        self.hashes = {}  # not the contents: memory is short
        for path in paths:
            with open(os.path.join(tree, path), 'rb') as file:
                self.hashes[path] = hash(file.read())

    def tell(self, order):
        try:
            with open(self.mount + '/.quire/plan', 'wb') as pipe:
                pipe.write(b''.join(path.encode() + b'\0' for path in order))
        except OSError:
            pass

    def read(self, path):
        handle = os.open(os.path.join(self.mount, path), os.O_RDONLY)
        try:
            # To the end: where a mount goes away in the middle, read(2) returns what it has, and fails the next time.
            data = b''.join(iter(lambda: os.read(handle, 1 << 20), b''))
        except OSError:
            os.close(handle)
            raise
        if hash(data) != self.hashes[path]:
            print(f'WRONG BYTES in {path}: {len(data)}', flush=True)
        self.right += 1
        if self.number % 3 == 2:
            self.held.append(handle)
        else:
            os.close(handle)
        while len(self.held) > MOST_HELD:
            os.close(self.held.pop(0))

    def tell_progress(self):
        if self.progress:
            os.pwrite(self.progress, b'%012d %012d\n' % (self.right, self.failed), 0)

    def epoch(self):
        order = list(self.hashes)
        self.chance.shuffle(order)
        if self.number % 3 == 0:
            threading.Thread(target=self.tell, args=[list(order)], daemon=True).start()
        if self.number % 3 == 1:
            os.listdir(self.mount + '/' + os.path.dirname(order[0]))
        for path in order:
            self.read(path)
            self.tell_progress()

    def run(self):
        while True:
            try:
                self.epoch()
            except OSError as error:
                self.failed += 1
                self.tell_progress()
                if error.errno not in GONE:
                    print(f'WRONG ERROR {error}', flush=True)
                if not self.progress:
                    return
                while self.held:  # of a mount that is gone, which close(2) may say as well
                    with contextlib.suppress(OSError):
                        os.close(self.held.pop())
                time.sleep(WAITS_FOR_MOUNT_S)


if __name__ == '__main__':
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    Reader(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) == 5 else None).run()
