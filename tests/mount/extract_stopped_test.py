#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever stops an extraction, what is there under a name of the pack is whole, and --skip-existing goes on from there."""
import filecmp
import os
import signal
import subprocess
import time

import harness
import pytest
import scenario
import trees

ROUNDS, LOOKS = 20, 6  # kills at most, and after how many of them all that is there is compared
TEMPORARY = '.quire-extract-'
ENTRIES = '1,015'  # of the tree


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, 10, 100, 20000)
    for number in (1, 2, 3):
        (tree / f'00{number}/big').write_bytes(trees.random_bytes(20000000, f'big {number}'))
    (tree / '001/link').symlink_to('big')
    os.link(tree / '001/big', tree / '009/same')
    for folder in tree.iterdir():
        os.utime(folder, (981173106, 981173106))
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='packed')
def get_pack(tree):
    return tree.with_suffix('.quire')


def assert_whole(tree, out):
    """Every name that is there, but for temporary ones, has all of its bytes."""
    for folder, _, names in os.walk(out):
        for name in names:
            path = os.path.join(folder, name)
            original = os.path.join(tree, os.path.relpath(path, out))
            if name.startswith(TEMPORARY):
                continue
            if os.path.islink(path):
                assert os.readlink(path) == os.readlink(original), path
            else:
                assert filecmp.cmp(original, path, shallow=False), path


def test_killed_again_and_again(tree, packed, scratch, quire, at_end, tally):
    """SIGKILL and SIGTERM in the middle, until it is through."""
    out = scratch / 'out'
    stopped = 0
    for number in range(1, ROUNDS + 1):
        process = harness.start(at_end, harness.QUIRE, 'extract', packed, '-C', out, '--skip-existing', stderr=subprocess.DEVNULL)
        time.sleep((number % 5 + 3) / 100)
        process.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
        if process.wait(60) == 0:
            break
        stopped += 1
        if number <= LOOKS:
            assert_whole(tree, out)
    assert stopped > 0, 'nothing was stopped'
    tally(stopped, 'extractions killed at some moment')
    quire('extract', packed, '-C', out, '--skip-existing')
    harness.assert_same_tree(tree, out)


def test_signal_where_the_disk_is_slow(tree, packed, scratch, mount, at_end):
    """It ends with one line, between two samples."""
    slow, disk = mount.slow_disk(packed)
    disk.obey('delay 50000 50000')
    out, log = scratch / 'interrupted', scratch / 'log'
    with open(log, 'wb') as said:
        process = harness.start(at_end, harness.QUIRE, 'extract', slow, '--jobs', '1', '--progress', 'never', '-C', out,
                                stdout=said, stderr=said)
    harness.until(20, (out / '000/00000.bin').exists, 'a slow disk: nothing is extracted')
    process.terminate()
    assert process.wait(60) == -signal.SIGTERM
    assert len(log.read_text().splitlines()) == 1, log.read_text()
    harness.run('grep', '-q', f'quire extract: interrupted; [0-9,]* of {ENTRIES} entries are there', log)
    assert_whole(tree, out)
    assert [name for _, folders, names in os.walk(out) for name in folders + names if name.startswith('.quire')] == []
    disk.obey()
    harness.until(5, lambda: harness.run('umount', slow.parent, status=None).returncode == 0, 'the slow disk is busy')


@pytest.fixture(name='small')
def mount_small_disk(scratch, at_end):
    small = scratch / 'small'
    small.mkdir()
    if not harness.is_root() or harness.run('mount', '-t', 'tmpfs', '-o', 'size=8M', 'none', small, status=None).returncode != 0:
        pytest.skip('a full disk: no tmpfs can be mounted')
    at_end.callback(harness.take_down, small)
    return small


def test_full_disk(tree, packed, small, quire):
    """It ends with one line, that says what is there."""
    out = small / 'out'
    for more in ([], ['--keep-going']):
        done = quire('extract', packed, '-C', out, '--progress', 'never', '--skip-existing', *more, status=1)
        assert done.says('no space left', 'of [0-9,]* entries', 'skip-existing')
        assert len(done.said.splitlines()) == 1, done.said
        assert_whole(tree, out)
    harness.run('mount', '-o', 'remount,size=200M', small)
    quire('extract', packed, '-C', out, '--skip-existing')
    harness.shell('compare.sh', 'same_content', tree, out)


def test_damaged_samples(tree, packed, scratch, quire):
    """One ends it, or each is named among all others."""
    bad, damaged = scratch / 'bad.quire', ('002/00050.bin', '005/00001.bin', '003/big')
    data = bytearray(packed.read_bytes())
    for name in damaged:
        data[data.index((tree / name).read_bytes()[:2000]) + 1000] ^= 1
    bad.write_bytes(data)
    done = quire('extract', bad, '--progress', 'never', '-C', scratch / 'stopped', status=1)
    assert done.says('checksum', 'of [0-9,]* entries')
    assert len(done.said.splitlines()) == 1, done.said
    assert_whole(tree, scratch / 'stopped')

    salvaged = scratch / 'salvaged'
    done = quire('extract', bad, '--keep-going', '--progress', 'never', '-C', salvaged, status=1)
    assert done.says(*(f"{name}'" for name in damaged))
    assert len(done.said.splitlines()) == len(damaged), done.said
    assert_whole(tree, salvaged)
    assert len(scenario.sample_names(salvaged)) == len(scenario.sample_names(tree)) - len(damaged)
