#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a folder of very many entries lists each of them once, in full, and finds each by name.

QUIRE_ENTRIES (default 100,000) says how many; tests/real has the million."""
import itertools
import os

import harness
import pytest

ENTRIES = int(os.environ.get('QUIRE_ENTRIES', 100000))
FOLDERS = 3000
NAMES = {f'sample {number}' for number in range(ENTRIES)}


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    for folder in ('many', 'folders'):
        (tree / folder).mkdir(parents=True)
    for number in range(ENTRIES):
        with open(f'{tree}/many/sample {number}', 'wb', buffering=0) as file:
            if number % 100 == 0:
                file.write(b'%d' % number)
    for number in range(FOLDERS):
        os.mkdir(f'{tree}/folders/{number}')
    harness.pack(tree, module_scratch / 'tree.quire')
    return tree


@pytest.fixture(name='shown')
def mount_it(tree, mount):
    return mount(tree.with_suffix('.quire'))


def test_same_tree(tree, shown):
    listed = os.listdir(shown / 'many')
    assert len(listed) == ENTRIES
    assert set(listed) == NAMES
    harness.shell('compare.sh', 'same_metadata', tree, shown.path)
    harness.shell('compare.sh', 'same_content', tree, shown.path)


def test_names_are_found(shown):
    for number in (0, 100, ENTRIES // 2, ENTRIES - 100):
        assert (shown / f'many/sample {number}').read_text() == str(number)
    for name in ('sample', 'sample ', f'sample {ENTRIES}', 'sample 00', 'z', ' '):
        assert not os.path.lexists(shown / 'many' / name)


def test_listing_goes_on_where_it_was(shown):
    """In small steps, after a rewind, and while another lists as well."""
    folder = shown / 'many'
    with os.scandir(folder) as one, os.scandir(folder) as other:
        first = [entry.name for entry in itertools.islice(one, 1000)]
        assert [entry.name for entry in itertools.islice(other, 1000)] == first
        assert set(first) | {entry.name for entry in one} == NAMES
    opened = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(2):
            assert set(os.listdir(opened)) == NAMES  # listdir of a descriptor rewinds it
    finally:
        os.close(opened)
