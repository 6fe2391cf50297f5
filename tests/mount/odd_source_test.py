#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: trees that are deep, have long paths, or lie on odd file systems and under odd filters are packed; what a pack cannot
hold is named."""
import contextlib
import os
import resource

import harness
import pytest

LONGEST_PATH_BYTES = 4095
LEVELS, DESCRIPTORS = 1300, 200


@contextlib.contextmanager
def inside(*path):
    """Works in a folder whose path may be longer than system calls take."""
    before = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in path:
            os.chdir(name)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def make_chain(top, levels, name_bytes):
    """Folders below each other, each name so long, and `file` in the last. Returns the names."""
    names = [f'{level:06}'.ljust(name_bytes, '_')[:name_bytes] for level in range(levels)]
    top.mkdir(parents=True, exist_ok=True)
    with inside(top):
        for name in names:
            os.mkdir(name)
            os.chdir(name)
        with open('file', 'w') as file:
            file.write('the file at the end\n')
    return names


def test_more_levels_than_descriptors(scratch, pack, quire):
    names = make_chain(scratch / 'deep', LEVELS, 2)
    pack(scratch / 'deep', scratch / 'deep.quire',
         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)))
    assert quire('cat', scratch / 'deep.quire', '/'.join(names) + '/file').out == 'the file at the end\n'


@pytest.fixture(name='top')
def make_long_source(scratch):
    """SRC alone is 3,000 bytes long."""
    return scratch / ('source/' * 400)


@pytest.fixture(name='names')
def make_long_paths(top):
    """Folders of 4,079 bytes below SRC, and a file whose path has 4,095."""
    names = make_chain(top, 40, 101)
    with inside(top, *names), open('f' * 15, 'w') as file:
        file.write('4,095 bytes\n')
    return names


def test_longest_paths(top, names, scratch, pack, quire):
    path = '/'.join([*names, 'f' * 15])
    assert len(path) == LONGEST_PATH_BYTES
    pack(top, scratch / 'long.quire')
    assert quire('cat', scratch / 'long.quire', path).out == '4,095 bytes\n'

    # One byte more is named, and the rest can be packed without it.
    with inside(top, *names):
        os.symlink('x', 'g' * 16)
    output = scratch / 'new.quire'
    assert quire('pack', top, '-o', output, status=1).says('4096 bytes below')
    quire('pack', '--skip-unreadable', top, '-o', output, status=1)
    assert quire('cat', output, path).out == '4,095 bytes\n'
    quire('verify', output)


def test_below_a_long_working_directory(top, names, scratch, pack, quire):
    output = scratch / 'inner.quire'
    with inside(top, *names[:30]):  # 6,000 bytes
        os.mkdir('here')
        with open('here/file', 'w') as file:
            file.write('below\n')
        pack('here', output)
        assert quire('pack', '--progress', 'never', 'here', '-o', 'here/inside.quire', status=2).says('lies inside')
    assert quire('cat', output, 'file').out == 'below\n'


@pytest.mark.parametrize('error', ['EPERM', 'ENOSYS'])
def test_without_openat2(error, scratch, pack):
    """Where a filter of system calls, or an old kernel, has none."""
    tree, plain, again = scratch / 'tree', scratch / 'tree.quire', scratch / 'again.quire'
    (tree / 'a/b').mkdir(parents=True)
    (tree / 'a/b/file').write_text('deep\n')
    (tree / 'a/large').write_bytes(os.urandom(5000000))
    (tree / 'file').write_text('top\n')
    (tree / 'symlink').symlink_to('a')
    pack(tree, plain)
    done = harness.run(harness.SUPPORT / 'without_calls.py', error, 'openat2', '--',
                       harness.QUIRE, 'pack', '--progress', 'never', tree, '-o', again, status=None)
    if done.returncode == 77:
        pytest.skip(f'seccomp filters are not allowed here: {done.said}')
    assert done.returncode == 0, done.said
    assert again.read_bytes() == plain.read_bytes()


def test_names_that_no_pack_can_hold(scratch, at_end, mount, quire):
    """A file system that lists a name twice, has one that is too long, and numbers its inodes anew each time."""
    program = harness.find_program('odd_folder')
    odd, output = mount.prepare(scratch / 'odd'), scratch / 'odd.quire'
    harness.start(at_end, program, odd)
    harness.until(10, lambda: harness.is_mounted(odd), 'the odd folder is not mounted')
    assert harness.run('find', odd, '-name', 'twice').out == f'{odd}/twice\n' * 2
    assert quire('pack', '--skip-unreadable', odd, '-o', output, status=1).says('nnn: .*300 bytes', 'is without')
    quire('verify', output)
    assert quire('ls', '-R', '-0', output).out == 'once\0twice\0'
    assert quire('cat', output, 'once', 'twice').out == 'once\ntwice\n'
