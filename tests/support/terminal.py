# SPDX-License-Identifier: Apache-2.0
"""Runs a command whose standard error is a terminal, and tells what stood on it.

    terminal.py COLUMNS COMMAND...    prints each state of the terminal's lines, then what stays; exits as the command does

A line of output is "shown: TEXT" for what stood in the last line between two writes, "stays: TEXT" for each line at the end.
Standard output of the command goes to /dev/null. The clearing of a line and carriage return are all that is understood: the
command must use no other control sequence, and no line may be wider than the terminal.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios


def run(command, columns, stream, environment):
    """Runs `command` with a terminal of 24 lines as its stdout or stderr, as `stream` says. Returns its exit status and what it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    streams = {'stdout': subprocess.DEVNULL, 'stderr': None} | {stream: theirs}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, **streams) as process:
        os.close(theirs)
        written = b''
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # EIO: nobody has the terminal open any more
                break
            if not piece:
                break
            written += piece
        os.close(ours)
        return process.wait(), written


def main():
    columns, command = int(sys.argv[1]), sys.argv[2:]
    status, written = run(command, columns, 'stderr', {**os.environ, 'TERM': 'xterm'})
    lines = written.decode().split('\r\n')
    for number, line in enumerate(lines):
        states = re.split(r'\r\x1b\[K', line)
        for state in states:
            assert not re.search(r'[\x00-\x1f]', state), f'control characters: {state!r}'
            assert len(state) < columns, f'{len(state)} characters on {columns} columns: {state}'
            if state:
                print('shown:', state)
        lines[number] = states[-1]
    for line in lines:
        if line:
            print('stays:', line)
    sys.exit(status)


if __name__ == '__main__':
    main()
