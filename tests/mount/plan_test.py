#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: any program can tell the order of the samples to come, in each form that fs/PLANS.md names; the mount goes ahead of the
readers, and whatever it is told, it serves the right bytes and can be unmounted."""
import array
import os
import pathlib
import random
import re
import stat
import struct
import subprocess
import sys
import time

import harness
import pytest
import scenario
import trees

FOLDERS, FILES = 10, 100
SAMPLES = FOLDERS * FILES
INODES = b'\0inodes\n'  # begins a binary plan
OPENAT2 = 437
# A plan that is far too long: what it costs is bounded. 32 MiB for its places and 2 to find them by; 12 while the cache is told
# of it. A sanitizer needs more and keeps it.
LONG_PLAN, MOST_KEPT = 9500000, 8388608
MOST_RESIDENT_KIB, MOST_LEFT_KIB, MOST_PLAN_BYTES = 60000, 16000, 37000000


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.make_samples(tree, FOLDERS, FILES, 20000)
    (tree / 'odd').mkdir()
    (tree / 'odd/a\nb').write_text('a newline')
    (tree / 'odd/symlink').symlink_to('../000/00000.bin')
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='mount_listed')
def get_mounter(tree, mount):
    """Mounts the pack and lists it, so that the kernel knows its inodes."""
    def mount_listed(*options):
        shown = mount(tree.with_suffix('.quire'), *options)
        harness.run('ls', '-lR', shown.path)
        return shown
    return mount_listed


@pytest.fixture(name='order')
def draw_order(tree):
    """Every sample, as `find . -name '*.bin' | shuf` names it."""
    order = [f'./{name}' for name in scenario.sample_names(tree) if name.endswith('.bin')]
    random.shuffle(order)
    return order


def in_folders(tree, *numbers):
    return [name for name in scenario.sample_names(tree) if name[:3] in [f'{number:03}' for number in numbers]]


def lines(order):
    return ''.join(path + '\n' for path in order)


def tell(shown, text):
    with open(shown.plan_path, 'wb') as pipe:
        pipe.write(text if isinstance(text, bytes) else text.encode())


def plan_of(shown):
    return shown.stats()['plan']


def await_told(shown, told, unknown):
    def is_told():
        plan = plan_of(shown)
        return (plan['told'], plan['unknown']) == (told, unknown)
    harness.until(10, is_told, lambda: f'told {told}, unknown {unknown}: {plan_of(shown)}')


def read_along(tree, shown, order):
    for path in order:
        assert (shown / path).read_bytes() == (tree / path).read_bytes(), path


def inodes_below(folder, suffix=''):
    return [os.stat(os.path.join(top, name)).st_ino for top, _, names in os.walk(folder) for name in names if name.endswith(suffix)]


def test_pipe_that_no_listing_shows(tree, mount_listed):
    shown = mount_listed()
    mode = os.stat(shown.plan_path).st_mode
    assert stat.S_ISFIFO(mode) and stat.S_IMODE(mode) == 0o622
    assert sorted(os.listdir(shown.path)) == sorted(os.listdir(tree))


READERS = f'''
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
how = struct.pack('<QQQ', os.O_RDONLY, 0, 0)
reader = libc.syscall({OPENAT2}, -100, os.fsencode(sys.argv[1]), how, len(how))
assert reader >= 0 and os.read(reader, 100) == b'', os.strerror(ctypes.get_errno())
assert os.read(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK), 100) == b''
os.close(os.open(sys.argv[1], os.O_RDWR))
'''


def test_readers_of_the_pipe_find_its_end_at_once(mount_listed):
    shown = mount_listed()
    assert harness.run('timeout', '10', 'cat', shown.plan_path).said == ''
    # In a process that can be ended where it hangs.
    harness.run('timeout', '10', sys.executable, '-c', READERS, shown.plan_path)


def test_every_form(tree, mount_listed, order, scratch):
    shown = mount_listed()
    # Lines, as any shell writes them; with what names no sample among them, of which the log tells.
    tell(shown, lines(order) + f'/000/00001.bin\n{shown.path}/001/00001.bin\n\nodd/symlink\nno/such\nodd\n')
    await_told(shown, SAMPLES + 3, 2)
    # The same again, appended in pieces while it is open.
    with open(shown.plan_path, 'w') as pipe:
        pipe.write(lines(order[:500]))
        pipe.flush()
        time.sleep(0.2)
        pipe.write(lines(order[500:]))
    await_told(shown, 2 * SAMPLES + 3, 2)
    # NUL: names with newlines.
    tell(shown, b''.join(os.fsencode(f'./{name}\0') for name in scenario.sample_names(tree) if name != 'odd/symlink'))
    await_told(shown, 3 * SAMPLES + 4, 2)
    # Binary, from the inode numbers that stat tells.
    inodes = inodes_below(shown.path, '.bin')
    tell(shown, INODES + struct.pack(f'<{len(inodes) + 2}Q', *inodes, 0, 2 ** 64 - 1))
    await_told(shown, 4 * SAMPLES + 4, 4)
    # By cp and dd as well.
    (scratch / 'order').write_text(lines(order))
    harness.run('cp', scratch / 'order', shown.plan_path)
    await_told(shown, 5 * SAMPLES + 4, 4)
    harness.run('dd', f'if={scratch}/order', f'of={shown.plan_path}', 'status=none')
    await_told(shown, 6 * SAMPLES + 4, 4)


def test_readers_who_follow(tree, mount_listed, order):
    """Nearly all is there before they ask."""
    shown = mount_listed('cache_size=16M')
    shown.await_memory()
    tell(shown, lines(order))
    await_told(shown, SAMPLES, 0)
    read_along(tree, shown, order)
    stats = shown.stats()
    plan = stats['plan']
    assert (plan['unexpected_reads'], plan['forgotten_plans']) == (0, 0)
    assert plan['prefetched'] + plan['overtaken'] == SAMPLES and plan['expected_reads'] > 0
    # A sanitized daemon does not keep ahead of its readers.
    assert harness.is_sanitized('asan', 'tsan') or (stats['push']['samples'] > 500 and plan['expected_reads'] < 500), stats


def test_readers_who_leave_it(tree, mount_listed):
    """It ends, and a later one is followed."""
    shown = mount_listed('push=off')
    tell(shown, lines(in_folders(tree, 0, 1)))
    await_told(shown, 200, 0)
    read_along(tree, shown, in_folders(tree, *range(2, 8)))
    plan = plan_of(shown)
    assert (plan['forgotten_plans'], plan['left']) == (1, 0)
    tell(shown, lines(in_folders(tree, 8, 9)))
    await_told(shown, 400, 0)
    read_along(tree, shown, in_folders(tree, 8, 9))
    plan = plan_of(shown)
    assert (plan['forgotten_plans'], plan['left']) == (1, 0)
    assert plan['expected_reads'] > 100


def test_plan_that_is_far_too_long(tree, mount_listed):
    """It does not take the place of the next, and its memory is given back."""
    shown = mount_listed('cache_size=16M', 'push=off')
    is_sanitized = harness.is_sanitized('asan', 'tsan')

    def resident_kib():
        return int(re.search(r'^RssAnon:\s*(\d+)', pathlib.Path(f'/proc/{shown.daemon()}/status').read_text(), re.MULTILINE)[1])

    before = resident_kib()
    inodes = array.array('Q', inodes_below(shown / '000')) * 1000
    with open(shown.plan_path, 'wb') as pipe:
        pipe.write(INODES)
        for _ in range(LONG_PLAN // len(inodes)):
            pipe.write(inodes.tobytes())
    await_told(shown, LONG_PLAN, 0)
    assert plan_of(shown)['ignored'] == LONG_PLAN - MOST_KEPT
    time.sleep(1)
    assert resident_kib() - before < MOST_RESIDENT_KIB or is_sanitized
    assert plan_of(shown)['memory_bytes'] < MOST_PLAN_BYTES
    rest = in_folders(tree, *range(1, FOLDERS))
    tell(shown, lines(rest))
    await_told(shown, LONG_PLAN + len(rest), 0)
    assert plan_of(shown)['ignored'] == LONG_PLAN - MOST_KEPT
    read_along(tree, shown, rest)
    plan = plan_of(shown)
    assert (plan['forgotten_plans'], plan['left']) == (1, 0) and plan['expected_reads'] > 0
    if not is_sanitized:
        harness.until(10, lambda: resident_kib() - before < MOST_LEFT_KIB,
                      lambda: f'of the plan {resident_kib() - before} KiB are left: {plan_of(shown)}')


def write_from(at_end, source, shown):
    """`cat` writes a plan for as long as it likes."""
    with open(shown.plan_path, 'wb') as pipe:
        return harness.start(at_end, 'cat', source, stdout=pipe)


def test_whatever_is_written_everything_is_served(tree, mount_listed, order, scratch, at_end):
    shown = mount_listed()
    (scratch / 'order').write_text(lines(order))
    writers = [write_from(at_end, scratch / 'order', shown) for _ in range(3)]
    tell(shown, random.randbytes(300000))
    tell(shown, 'half a path')
    assert harness.run('diff', '-r', tree, shown.path, status=None).said == ''
    # What only looks at the pipe does not keep the mount from being taken away, nor does a plan that nobody has followed.
    tell(shown, lines(order))
    for writer in writers:
        assert writer.wait(60) == 0
    harness.run('ls', '-la', shown / '.quire')
    shown.unmount()


def test_sigterm_in_the_middle_of_a_plan(tree, mount, order, at_end):
    shown = mount.in_foreground(tree.with_suffix('.quire'))
    harness.run('ls', '-lR', shown.path)
    with open(shown.plan_path, 'wb') as pipe:
        writer = harness.start(at_end, 'yes', lines(order), stdout=pipe, stderr=subprocess.DEVNULL)
    harness.until(10, lambda: plan_of(shown)['told'] > 1000, lambda: f'the plan does not arrive: {plan_of(shown)}')
    assert writer.poll() is None, 'the writer has ended before'
    shown.end()
    assert shown.await_end(10) == 0
    assert not harness.is_mounted(shown.path)


def test_sampler_of_the_document(mount_listed, scratch, monkeypatch):
    """Word for word."""
    document = (harness.REPOSITORY / 'fs/PLANS.md').read_text()
    sampler = '\n'.join(re.findall(r'^```python\n(.*?)^```$', document, re.MULTILINE | re.DOTALL))
    (scratch / 'planned_sampler.py').write_text(sampler)
    monkeypatch.syspath_prepend(str(scratch))
    from planned_sampler import PlannedSampler  # pylint: disable=import-error,import-outside-toplevel
    shown = mount_listed('cache_size=16M')
    paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(shown.path) for name in names)
    sampler = PlannedSampler(paths, shown.folder)
    epochs = [list(sampler), list(sampler)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(len(sampler)))
    for index in sampler:
        pathlib.Path(paths[index]).read_bytes()
    PlannedSampler(paths, '/nonexistent').tell(b'')  # no mount: nothing happens
    await_told(shown, 3 * len(paths), 0)
    shown.unmount()
