#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: JSON gives every name back byte for byte, is fit for a terminal, and every field of it is in quire-json(7)."""
import base64
import json
import os
import re
import stat

import harness
import pytest

PAGE = harness.REPOSITORY / 'packaging/man/quire-json.7.md'
OF_A_MACHINE = {'machine', 'settings', 'results'}  # what is below these in a report of `quire bench` is not for programs


@pytest.fixture(name='tree')
def make_tree(scratch):
    tree = scratch / 'tree'
    harness.shell('trees.sh', 'make_odd_names', tree / 'names')
    os.symlink(b'to \xfe', tree / 'link')
    for name in (b'\xc2\x9b31m', b'\xe2\x80\xaegnp.exe'):
        with open(os.path.join(os.fsencode(tree), name), 'w') as file:
            file.write('x\n')
    return tree


@pytest.fixture(name='packed')
def make_pack(tree, scratch, pack):
    packed = scratch / os.fsdecode(b'odd \xff name.quire')
    pack(tree, packed)
    return packed


def name_in(document, key):
    return base64.b64decode(document[key + '_base64']) if key + '_base64' in document else document[key].encode()


def test_names_come_back(tree, packed, quire):
    text = quire('ls', '-R', '--json', packed).stdout
    assert all(byte == ord('\n') or 32 <= byte < 127 for byte in text), 'not printable ASCII'
    listing = json.loads(text)
    entries = {name_in(entry, 'path'): entry for entry in listing['entries']}
    top = os.fsencode(tree)
    there = {os.path.relpath(os.path.join(folder, name), top) for folder, folders, files in os.walk(top) for name in folders + files}
    assert set(entries) == there
    assert len(listing['entries']) == len(there)
    assert name_in(listing, 'pack') == os.fsencode(packed)
    assert name_in(entries[b'link'], 'target') == b'to \xfe'
    for path, entry in entries.items():
        status = os.lstat(os.path.join(top, path))
        assert (entry['mode'], entry['uid']) == (f'{stat.S_IMODE(status.st_mode):04o}', status.st_uid), path
        assert entry['type'] != 'file' or entry['size_bytes'] == status.st_size, path


def fields(value, left_alone=()):
    """The names of all fields of a document, but for those below the ones that are left alone."""
    for key, below in value.items() if isinstance(value, dict) else ():
        yield key.removesuffix('_base64')
        if key not in left_alone:
            yield from fields(below, left_alone)
    for item in value if isinstance(value, list) else ():
        yield from fields(item, left_alone)


def assert_documented(done, left_alone=()):
    """Every document has its schema, and every field of it is in the manual."""
    text = PAGE.read_text()
    # "*a*, *b*" lines begin a list's term; elsewhere fields stand in the text in the same way.
    named = set(re.findall(r'\*([a-z0-9_]+)\*', text)) | set(re.findall(r'^### ([a-z0-9_]+)$', text, re.MULTILINE))
    document = json.loads(done.stdout)
    assert document['schema'] == 1
    assert set(fields(document, left_alone)) - named == set()


def test_ls_and_info_are_documented(packed, quire):
    assert_documented(quire('ls', '-R', '--json', packed))
    assert_documented(quire('info', '--json', packed))


def test_verify_is_documented(scratch, packed, quire):
    assert_documented(quire('verify', '--json', packed))
    damaged = scratch / 'damaged'
    harness.run('cp', packed, damaged)
    with open(damaged, 'r+b') as file:
        file.seek(8200)
        file.write(b'X')
    assert_documented(quire('verify', '--json', damaged, status=1))
    assert_documented(quire('verify', '--json', '/dev/null', status=1))


def test_diff_is_documented(tree, packed, quire):
    (tree / 'more').write_text('more\n')
    (tree / 'link').unlink()
    assert_documented(quire('diff', '--json', packed, tree, status=1))


def test_bench_is_documented(tree, quire):
    assert_documented(quire('bench', 'meta', '--quick', '--json', '-', tree / 'names/one'), OF_A_MACHINE)


def test_stats_and_mounts_are_documented(packed, mount, quire):
    shown = mount(packed)
    assert_documented(harness.run('cat', shown / '.quire/stats'))
    (shown / 'names/one').stat()
    assert_documented(harness.run('cat', shown / '.quire/activity'))
    assert_documented(harness.run('cat', shown / '.quire/config'))
    assert_documented(quire('mounts', '--json'))
    assert_documented(quire('stats', '--json', shown.folder))


def test_config_of_a_tier_is_documented(scratch, packed, mount):
    shown = mount(packed, f'tier={scratch}/tier', 'subdir=names/one')
    assert_documented(harness.run('cat', shown / '.quire/config'))
    assert_documented(harness.run('cat', shown / '.quire/stats'))
