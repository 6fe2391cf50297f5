# SPDX-License-Identifier: Apache-2.0
"""Packs that grow: the commands, and the trees that their generations should be."""
import json
import os
import shutil

import harness


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def copy(source, target):
    harness.run('cp', '-a', source, target)


def copy_over(source, target):
    """What is there already is replaced, but for directories, which are merged."""
    for folder, folders, files in os.walk(os.fsencode(source)):
        for name in folders + files:
            path = os.path.join(folder, name)
            there = os.path.join(os.fsencode(target), os.path.relpath(path, os.fsencode(source)))
            is_folder = os.path.isdir(there) and not os.path.islink(there)
            if is_folder and (os.path.islink(path) or not os.path.isdir(path)):
                shutil.rmtree(there)
            elif not is_folder and os.path.lexists(there):
                os.unlink(there)
    harness.run('rsync', '-aHX', '--modify-window=-1', f'{source}/', f'{target}/')


def pack(tree, output, *options):
    __tracebackhide__ = True
    harness.pack(tree, output, *options)
    return output


def append(packed, source, *options, **how):
    __tracebackhide__ = True
    return harness.quire('append', '--progress', 'never', packed, source, *options, **how)


def update(tree, packed, *options, **how):
    __tracebackhide__ = True
    return harness.pack(tree, packed, '--update', *options, **how)


def generations(packed):
    return json.loads(harness.quire('generations', packed, '--json').out)['generations']


def assert_is(packed, tree, mounts, *options):
    """That a mount of the pack is this tree."""
    __tracebackhide__ = True
    mount = mounts(packed, *options)
    try:
        harness.assert_same_tree(tree, mount.folder)
    finally:
        mount.unmount()


def assert_counts_are_true(packed):
    __tracebackhide__ = True
    for generation in generations(packed):
        number = str(generation['generation'])
        harness.quire('verify', packed, '--generation', number)
        listed = json.loads(harness.quire('info', packed, '--json', '--generation', number).out)
        assert listed['samples'] == generation['samples']


def assert_history(packed, copies, mounts):
    """That the generations of the pack are these trees, and as many samples as each says."""
    __tracebackhide__ = True
    for number, tree in enumerate(copies, 1):
        assert_is(packed, tree, mounts, f'generation={number}')
    assert_counts_are_true(packed)
