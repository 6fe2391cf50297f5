# SPDX-License-Identifier: Apache-2.0
"""What a FUSE daemon and the kernel say to each other, counted by strace as reads and writes of /dev/fuse. It slows the daemon
down several times, so that only numbers count. What goes another way than read and write, such as io_uring, is not seen."""
import collections
import contextlib
import glob
import re
import signal
import subprocess
import tempfile

from environment import SCRATCH

# linux/fuse.h
OPERATIONS = {1: 'lookup', 2: 'forget', 3: 'getattr', 14: 'open', 15: 'read', 18: 'release', 25: 'flush', 27: 'opendir',
              28: 'readdir', 29: 'releasedir', 36: 'interrupt', 42: 'batch_forget', 44: 'readdirplus'}
HEADER_BYTES = 16  # of a request: length, operation, its number; of an answer: length, error, the number of its request
DEVICE = ''.join(f'\\x{byte:02x}' for byte in b'/dev/fuse')  # as strace -xx writes it
CALL = re.compile(r'(read|readv|write|writev|splice)\(.*<' + re.escape(DEVICE) + r'>.* = ([1-9]\d*)$')
FIRST_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class CannotTrace(Exception):
    pass


class Messages:
    def __init__(self):
        self.requests = 0       # that the daemon read
        self.replies = 0        # that it wrote to answer one
        self.notifications = 0  # that it wrote unasked: they bear the number 0
        self.operations = collections.Counter()  # of the requests

    def add(self, line):
        """One line of `strace -y -xx -s 16`, of one thread. Calls that fail, or had not returned, are no messages."""
        call = CALL.search(line)
        if not call:
            return
        text = FIRST_BYTES.search(line)
        header = bytes.fromhex(text[1].replace('\\x', '')) if text else b''  # none of splice, whose bytes nobody sees
        number = lambda begin, end: int.from_bytes(header[begin:end], 'little') if len(header) == HEADER_BYTES else None
        if call[1] in ('read', 'readv') or call[1] == 'splice' and line.index(DEVICE) < line.index(','):
            self.requests += 1
            self.operations[OPERATIONS.get(number(4, 8), 'other')] += 1
        elif number(8, 16) == 0:
            self.notifications += 1
        else:
            self.replies += 1


@contextlib.contextmanager
def traced(daemon):
    """The Messages of the process, which are filled in when the body has ended."""
    messages = Messages()
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        strace = subprocess.Popen(['strace', '-ff', '-p', str(daemon), '-y', '-xx', '-s', str(HEADER_BYTES), '-e', 'signal=none',
                                   '-e', 'trace=read,readv,write,writev,splice', '-o', f'{folder}/thread'],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            if 'attached' not in (answer := strace.stderr.readline()):
                raise CannotTrace(answer.strip())
            yield messages
        finally:
            strace.send_signal(signal.SIGINT)  # it lets go of the daemon, which goes on
            strace.communicate()
        for path in glob.glob(f'{folder}/thread.*'):
            with open(path) as file:
                for line in file:
                    messages.add(line)
