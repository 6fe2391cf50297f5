#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: no name of a pack, a file or a mount steers the terminal of who runs a command, and programs still get it as it is."""
import os
import pty
import re
import shutil
import unicodedata

import harness
import pytest

# Red letters by C0 and by C1, a title, a line of its own, text from right to left, bytes that are no UTF-8.
HOSTILE = os.fsdecode(b'a\x1b[31m\xc2\x9b31m\x1b]0;title\x07\nroot: ok\xe2\x80\xaegnp\xff')
ESCAPED = r'a\x1b[31m\xc2\x9b31m\x1b]0;title\x07\nroot: ok\xe2\x80\xaegnp\xff'
STEERING_CATEGORIES = {'Cc', 'Zl', 'Zp'}
STEERING_DIRECTIONS = {'LRE', 'RLE', 'PDF', 'LRO', 'RLO', 'LRI', 'RLI', 'FSI', 'PDI'}


@pytest.fixture(name='tree')
def make_tree(scratch):
    tree = scratch / 'tree'
    (tree / HOSTILE).mkdir(parents=True)
    (tree / HOSTILE / HOSTILE).write_text('sample\n')
    (tree / 'link').symlink_to(HOSTILE)
    return tree


@pytest.fixture(name='packed')
def make_pack(tree, scratch, pack):
    pack(tree, scratch / f'{HOSTILE}.quire')
    return scratch / f'{HOSTILE}.quire'


def assert_fit(data):
    """All of it is what a terminal prints and does nothing else about, but for the line of progress."""
    text = data.replace(b'\r\n', b'\n').replace(b'\r\x1b[K', b'').decode()
    assert {character for character in text if character != '\n' and (
        unicodedata.category(character) in STEERING_CATEGORIES or unicodedata.bidirectional(character) in STEERING_DIRECTIONS)} == set()


def on_terminal(*arguments):
    """What quire writes to a terminal, which its standard output and error are."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(harness.QUIRE, [os.fsdecode(word) for word in ('quire', *arguments)])
    seen = b''
    try:
        while piece := os.read(terminal, 65536):
            seen += piece
    except OSError:  # EIO: nobody has the terminal open any more
        pass
    os.close(terminal)
    os.waitpid(process, 0)
    return seen


def test_listings_and_summaries(tree, packed, scratch):
    for arguments in (*(('ls', *form, packed) for form in ([], ['-l'], ['-R'], ['-lR'], ['--tree'], ['--json'])),
                      ('ls', '-R', packed, HOSTILE), ('info', packed), ('info', '--json', packed), ('verify', packed),
                      ('diff', packed, tree), ('pack', tree, '-o', scratch / f'other {HOSTILE}')):
        seen = on_terminal(*arguments)
        assert seen, f'quire {arguments[0]} prints nothing'
        assert_fit(seen)


def assert_message(*arguments):
    """A command that fails says the name in its first line, once, elsewhere than on a terminal too."""
    done = harness.quire(*arguments, status=None)
    assert done.returncode != 0
    assert_fit(done.stderr)
    assert ESCAPED in done.err.splitlines()[0], done.err


def test_messages(tree, packed, scratch):
    for arguments in (('ls', scratch / HOSTILE), ('ls', packed, f'none {HOSTILE}'),
                      ('cat', packed, HOSTILE), ('cat', packed, f'none {HOSTILE}'), ('info', packed, HOSTILE), (HOSTILE,), ('ls', f'--{HOSTILE}'), ('pack', tree / HOSTILE, '-o', packed),
                      ('pack', tree / HOSTILE / HOSTILE, '-o', scratch / 'new'),
                      ('extract', packed, f'none {HOSTILE}', '-C', scratch / 'extracted'), ('diff', packed, scratch / HOSTILE),
                      ('umount', tree / HOSTILE), ('umount', f'none {HOSTILE}'), ('mount', packed, f'none {HOSTILE}'),
                      ('mount', packed, tree, '-o', HOSTILE)):
        assert_message(*arguments)


def test_difference(tree, packed, quire):
    shutil.rmtree(tree / HOSTILE)
    assert_fit(quire('diff', packed, tree, status=1).stdout)


def test_programs_get_names_as_they_are(packed, quire):
    name = os.fsencode(HOSTILE)
    assert quire('ls', packed, HOSTILE).stdout == name + b'\n'
    assert '\n'.join(quire('ls', '--tree', packed, HOSTILE).out.split('\n')[2:4]) == f'└── {HOSTILE}'
    assert quire('ls', '-0', packed).stdout == name + b'\0link\0'
    assert on_terminal('ls', '-0', packed, HOSTILE).replace(b'\0', b'').replace(b'\r', b'') == name


def test_line_of_a_log_is_a_line(packed, scratch, mount, quire):
    log = scratch / 'log'
    mount.prepare(None)
    assert_message('mount', packed, scratch / 'mnt', '-o', f'subdir={HOSTILE}/{HOSTILE}')
    shown = mount(packed, f'log_file={log}', 'log_level=debug')
    assert ESCAPED in quire('mounts').out
    shown.unmount()
    assert_fit(log.read_bytes())
    assert [line for line in log.read_text().splitlines() if not re.match(r'[0-9-]* [0-9:.]* quire\[', line)] == []
