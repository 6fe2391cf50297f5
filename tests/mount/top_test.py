#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire top` shows the traffic of mounts and who makes it on every terminal, and in lines where there is none; it follows the
terminal's size, ends by a key, and leaves the terminal as it was."""
import os
import re
import shutil
import signal
import sys
import threading
import time

import harness
import pytest
import trees

SAMPLE_BYTES = 5000
SAMPLES = 40  # a folder
SEEN = ('direct_io', 'admit=page')  # the kernel keeps nothing: all reads come to the daemon
WIDE = '文字'
HOSTILE = os.fsdecode(b'a\x1b[31mred\n\xff')
# Reads one sample after the other, of all folders that are named, a hundred a second at most.
READER = '''
import os, sys, time
paths = [os.path.join(folder, name) for folder in sys.argv[1:] for name in sorted(os.listdir(folder))]
while True:
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.read(file, 1 << 20)
        os.close(file)
        time.sleep(0.01)
'''


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    tree = module_scratch / 'tree'
    trees.fill_folders(tree, ('train/busy', 'train/idle', WIDE, HOSTILE), SAMPLES, SAMPLE_BYTES)
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='packed')
def get_pack(tree):
    return tree.with_suffix('.quire')


# --- Lines

def unmount(shown):
    """Who looks keeps the mount busy for a millisecond now and then."""
    harness.until(10, lambda: harness.quire('umount', shown.folder, status=None).returncode == 0, 'the mount stays busy')


def start_reader(at_end, shown, *names):
    return harness.start(at_end, sys.executable, '-c', READER, *(shown / name for name in names))


def test_lines_tell_the_traffic(at_end, packed, mount, quire):
    shown = mount(packed, *SEEN)
    reader = start_reader(at_end, shown, 'train/busy')
    began = time.monotonic()
    done = quire('top', shown.path, '--interval', '1', '--count', '2')
    assert 1.9 < time.monotonic() - began < 10
    heading, *lines = done.out.splitlines()
    assert heading.split()[:2] == ['reads/s', 'files/s'] and len(lines) == 2
    for line in lines:
        rates = line.split()
        assert rates[0] == rates[1] and 10 < float(rates[0]) <= 110, line
        assert f'  {reader.pid} {os.path.basename(sys.executable)} -c' in line and line.endswith('; /train/busy'), line


def test_who_may_not_see_who_reads_sees_the_rest(packed, mount, ordinary_user):
    if not harness.is_root():
        pytest.skip('only root can be another user')
    shown = mount(packed, *SEEN, 'allow_other', 'control=all')
    lines = ordinary_user.run(ordinary_user.quire, 'top', '--count', '1', '--interval', '0.3', shown.folder)
    assert re.search(r'^ *\d\S* +- ', lines.out.splitlines()[1]), lines.out


def test_lines_end_with_the_mount(at_end, packed, mount, quire):
    shown = mount(packed, *SEEN)
    ended = threading.Timer(0.7, unmount, [shown])
    ended.start()
    assert quire('top', '--lines', '--interval', '0.3', shown.path, status=1).says('the mount at .* is gone')
    ended.join()
    assert quire('top', '--lines', shown.path, status=1).says('no pack is mounted')


def test_wrong_words_are_refused(quire):
    assert quire('top', '--interval', '0', status=2).says('--interval')
    assert quire('top', '--count', 'x', status=2).says('--count')


# --- A terminal

CLEAN = '0 1 0 0'  # no alternate screen, a cursor, the keypad's own keys, no mouse


class Terminal:
    """A shell in tmux, of which a test sees what a user would."""
    PROMPT = 'ready$ '
    STATUS = 'echo status=$?; stty -g | cmp - before && echo same'

    def __init__(self, at_end, scratch, columns, lines, **environment):
        if not shutil.which('tmux'):
            pytest.skip('there is no tmux')
        self.socket = scratch / 'tmux'
        self.environment = {**os.environ, 'LC_ALL': 'C.UTF-8', 'PS1': self.PROMPT, 'PATH': f'{harness.QUIRE.parent}:{os.environ["PATH"]}', **environment}
        self.tmux('-f', '/dev/null', '-u', 'new-session', '-d', '-x', columns, '-y', lines, 'env', f'PS1={self.PROMPT}',
                  *(f'{name}={value}' for name, value in environment.items()), 'sh')
        at_end.callback(self.tmux, 'kill-server', status=None)
        self.await_text(re.escape(self.PROMPT.strip()))

    def tmux(self, *words, **how):
        return harness.run('tmux', '-S', self.socket, *map(str, words), env=self.environment, **how)

    def pane(self, *options):
        return self.tmux('capture-pane', '-p', *options).out

    def await_text(self, pattern, seconds=20):
        harness.until(seconds, lambda: re.search(pattern, self.pane(), re.MULTILINE), lambda: f'{pattern}:\n{self.pane()}')
        return self.pane()

    def type(self, *keys):
        self.tmux('send-keys', *keys)

    def run(self, command):
        """The command's exit status stands in the pane once it has ended."""
        self.type(f'clear; stty -g >before; {command}; {self.STATUS}', 'Enter')

    def resize(self, columns, lines):
        self.tmux('resize-window', '-x', columns, '-y', lines)

    def assert_clean_end(self, status):
        text = self.await_text(rf'^status={status}\nsame\n{re.escape(self.PROMPT.strip())}')
        assert self.state() == CLEAN
        assert ' quire top  ' not in text, text
        return text

    def state(self):
        return self.tmux('display-message', '-p', '#{alternate_on} #{cursor_flag} #{keypad_flag} #{mouse_any_flag}').out.strip()


@pytest.fixture(name='terminal')
def make_terminals(at_end, scratch, monkeypatch):
    monkeypatch.chdir(scratch)
    return lambda columns=80, lines=24, **environment: Terminal(at_end, scratch, columns, lines, **environment)


def rates_of(line):
    """Reads and files a second of a row, and what stands behind them."""
    found = re.search(r'(\d+) +(\d+) +[\d.]+ [KM]?i?B  (.*)$', line)
    return int(found[1]), int(found[2]), found[3]


@pytest.mark.parametrize('columns, lines', [(80, 24), (200, 50)])
def test_the_screen_shows_the_traffic(at_end, packed, mount, terminal, columns, lines):
    shown = mount(packed, *SEEN)
    reader = start_reader(at_end, shown, 'train/busy', WIDE)
    screen = terminal(columns, lines)
    screen.run(f'quire top --interval 0.5 {shown.path}')
    text = screen.await_text('/train/busy *$')
    rows = text.splitlines()
    assert len(rows) <= lines and f'{shown.folder[-15:]} ' in rows[0] and 'every 0.5 s' in rows[0]
    assert re.search(r'^ \d+ reads/s  \d+ files/s  [\d.]+ KiB/s answered', rows[1]), text
    row = next(row for row in rows if f' {reader.pid} ' in row)
    reads, files, command = rates_of(row)
    assert reads == files and 10 < reads <= 110 and command.startswith(f'{os.path.basename(sys.executable)} -c'), row
    for folder in ('/train/busy', f'/{WIDE}'):
        reads, files, _ = rates_of(next(row for row in rows if row.rstrip().endswith(folder)))
        assert reads == files > 0, text
    assert re.search(r'^ read +\d+ +\d+ us +[▁▂▃▄▅▆▇█]', text, re.MULTILINE), text
    assert re.search(r'^ memory +[\d.]+ KiB +\d+ % of reads', text, re.MULTILINE), text
    assert '\\x1b' not in text and rows[-1].strip() == 'q quits'
    # Side by side where there is room.
    assert any('from' in row and 'who reads' in row for row in rows) == (columns == 200)
    screen.type('q')
    screen.assert_clean_end(0)


def test_the_screen_follows_the_terminals_size(at_end, packed, mount, terminal):
    shown = mount(packed, *SEEN)
    start_reader(at_end, shown, 'train/busy')
    screen = terminal(80, 24)
    # What follows is no update's doing: those are far apart.
    screen.run(f'quire top --interval 30 {shown.path}')
    screen.await_text('/train/busy *$')
    for columns, lines in ((200, 40), (60, 12), (20, 5), (150, 24), (80, 24)):
        screen.resize(columns, lines)
        bottom = 'q quits' if lines > 1 else ''
        harness.until(10, lambda lines=lines, bottom=bottom: screen.pane().rstrip('\n').split('\n')[-1].strip() == bottom and
                      len(screen.pane().rstrip('\n').split('\n')) == lines, screen.pane)
        text = screen.pane()
        assert max(map(len, text.splitlines())) <= columns
        assert ('who reads' in next((row for row in text.splitlines() if row.startswith(' from')), '')) == (columns >= 150), text
    screen.type('q')
    screen.assert_clean_end(0)


def test_interrupts_leave_the_terminal_clean(packed, mount, terminal):
    shown = mount(packed, *SEEN)
    screen = terminal()
    screen.run(f'quire top {shown.path}')
    screen.await_text('q quits')
    screen.type('C-c')
    screen.await_text(r'^ready\$')  # the shell leaves out what stood behind the command
    screen.type(screen.STATUS, 'Enter')
    text = screen.await_text('^same$')
    assert 'status=130' in text and ' quire top  ' not in text, text
    assert screen.state() == CLEAN


def test_a_number_of_updates_ends_it(packed, mount, terminal):
    shown = mount(packed, *SEEN)
    screen = terminal()
    screen.run(f'quire top --interval 0.3 --count 2 {shown.path}')
    screen.assert_clean_end(0)


def test_it_ends_and_says_so_when_the_mount_goes(packed, mount, terminal):
    shown = mount(packed, *SEEN)
    screen = terminal()
    screen.run(f'quire top --interval 0.3 {shown.path}')
    screen.await_text('q quits')
    unmount(shown)
    assert f"quire top: the mount at '{shown.folder}' is gone" in screen.assert_clean_end(1).replace('\n', '')


def test_a_daemon_that_hangs_is_named_and_the_keys_go_on(packed, mount, terminal):
    shown = mount(packed, *SEEN)
    daemon = shown.daemon()
    screen = terminal()
    screen.run(f'quire top --interval 0.3 {shown.path}')
    screen.await_text('reads/s')
    os.kill(daemon, signal.SIGSTOP)
    try:
        text = screen.await_text(r'is stopped')
        assert f"kill -CONT {daemon}" in text.replace('\n', ''), text
        assert 'reads/s' not in text, text
    finally:
        os.kill(daemon, signal.SIGCONT)
    screen.await_text('reads/s')
    screen.type('q')
    screen.assert_clean_end(0)


def test_without_a_folder_it_is_all_mounts(at_end, scratch, packed, mount, terminal):
    first = mount(packed, *SEEN)
    second = mount(packed, *SEEN, 'subdir=train', folder=scratch / 'second')
    start_reader(at_end, second, 'idle')
    screen = terminal(120, 40)
    screen.run('quire top --interval 0.3')
    screen.await_text(rf'^.* > {first.folder}$')
    screen.await_text(rf'{second.folder}$')
    assert screen.await_text('who reads').count('who reads') == 1
    for _ in range(20):  # others may be mounted on this machine
        if re.search(rf'> {second.folder}$', screen.pane(), re.MULTILINE):
            break
        shown = screen.pane().splitlines()[0]
        screen.type('Tab')
        harness.until(10, lambda shown=shown: screen.pane().splitlines()[0] != shown, screen.pane)
    screen.await_text('/idle$')
    harness.take_down(second.folder)  # its reader has it open
    harness.until(10, lambda: second.folder not in screen.pane(), screen.pane)
    screen.type('q')
    screen.assert_clean_end(0)


def test_other_locales_and_terminals_get_what_they_can_show(at_end, packed, mount, terminal):
    shown = mount(packed, *SEEN)
    start_reader(at_end, shown, WIDE, HOSTILE)
    screen = terminal(80, 30, LC_ALL='C', TERM='vt100')
    screen.run(f'quire top --interval 0.3 {shown.path}')
    screen.await_text(r'/\?\? *$')
    text = screen.await_text(r'/a\\x1b\[31mred\\n\? *$')  # of bytes that are no UTF-8 JSON tells U+FFFD
    assert text.isascii(), text
    # The pane of a terminal that has colours would have some.
    assert not re.search('\x1b\\[[0-9;]*3[0-7]m', screen.pane('-e'))
    screen.type('q')
    screen.await_text('^status=0')
    screen.run(f'TERM=screen LC_ALL=C.UTF-8 quire top --interval 0.3 {shown.path}')
    screen.await_text(rf'/{WIDE} *$')
    assert re.search('\x1b\\[[0-9;]*3[0-7]m', screen.pane('-e')), 'no colours on a terminal that has them'
    screen.type('q')
    screen.await_text('^status=0')
    screen.run(f'TERM=nonesuch quire top {shown.path}')
    screen.await_text(r"^quire top: nothing is known of a terminal of the kind 'nonesuch'")
    screen.await_text('^status=1\nsame')
