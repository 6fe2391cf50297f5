#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that each file includes only what its room may know.

    check_rooms.py FILE...

Layers point one way: format <- cache <- fs <- tools; rooms of format/ and fs/ as their README.md says. Within cache/ the
rooms hold each other's parts together, so only layers count there. tools/library sees no more than format/ and cache/."""
import pathlib
import re
import sys

LAYERS = ('format', 'cache', 'fs', 'tools')
# Each room knows itself, those named here, and its layer's top.
ROOMS = {
    'format': set(),
    'format/pack': set(),
    'format/write': {'format/pack'},
    'format/growth': {'format/pack', 'format/write'},
    'format/import': {'format/pack', 'format/write'},
    'format/unpack': {'format/pack', 'format/write', 'format/import'},
    'format/export': {'format/pack', 'format/import'},
    'fs': set(),
    'fs/options': set(),
    'fs/mounts': set(),
    'fs/guard': set(),
    'fs/feed': {'fs/options'},
    'fs/follow': {'fs/options', 'fs/feed'},
    'fs/trace': set(),
    'fs/serve': {'fs/options', 'fs/feed', 'fs/follow', 'fs/trace'},
    'fs/life': {'fs/options', 'fs/mounts', 'fs/guard', 'fs/feed', 'fs/follow', 'fs/trace', 'fs/serve'},
}


def layer_of(room):
    return room.split('/')[0]


def may_know(room, other):
    if layer_of(other) not in LAYERS or layer_of(room) not in LAYERS:
        return True  # of another library, or a test
    if room == 'tools/library' and other != room:
        return layer_of(other) in ('format', 'cache')
    if layer_of(room) != layer_of(other):
        return LAYERS.index(layer_of(other)) < LAYERS.index(layer_of(room))
    if room not in ROOMS:
        return layer_of(room) in ('cache', 'tools')
    return other == room or other == layer_of(room) or other in ROOMS[room]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = 0
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            included = re.match(r'#include "([^"]+)"', line)
            if included and not may_know(str(path.parent), str(pathlib.Path(included[1]).parent)):
                print(f'{name}:{number}: {path.parent} may not know {included[1]}')
                wrong += 1
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
