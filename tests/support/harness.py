# SPDX-License-Identifier: Apache-2.0
"""What tests in Python need of the command and of mounts, as harness.sh gives it to scripts: commands that are checked, mounts,
users and a slow disk that always go away again. tests/mount/conftest.py makes fixtures of it."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
import scenario

SUPPORT = pathlib.Path(__file__).resolve().parent
REPOSITORY = SUPPORT.parents[1]
QUIRE = pathlib.Path(os.environ.get('QUIRE') or REPOSITORY / 'build/release/bin/quire').resolve()
LOOK_S = 0.02  # between two looks at something that another process does


class Done:
    """A command that has ended, and what it printed: as bytes, and as text whose odd bytes os.fsencode() gives back."""

    def __init__(self, command, returncode, stdout, stderr):
        self.command, self.returncode, self.stdout, self.stderr = command, returncode, stdout, stderr
        self.out, self.err = os.fsdecode(stdout), os.fsdecode(stderr)
        self.said = self.out + self.err

    def says(self, *patterns):
        """Whether every regular expression is found in what it said, in any case; fails with what it said otherwise."""
        __tracebackhide__ = True
        for pattern in patterns:
            assert re.search(pattern, self.said, re.IGNORECASE | re.MULTILINE), f'nothing says {pattern!r}:\n{self.said}'
        return True


def run(*command, status=0, **how):
    """Runs a command to its end. REQUIRES: it exits with `status`; None stands for any."""
    __tracebackhide__ = True
    command = [os.fsdecode(word) for word in command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **how)
    done = Done(command, done.returncode, done.stdout, done.stderr)
    assert status in (None, done.returncode), f'exit status {done.returncode}, not {status}: {command}\n{done.said}'
    return done


def quire(*arguments, **how):
    __tracebackhide__ = True
    return run(QUIRE, *arguments, **how)


def pack(tree, output, *options, **how):
    __tracebackhide__ = True
    return quire('pack', '--progress', 'never', tree, '-o', output, *options, **how)


def shell(library, function, *arguments):
    """Calls a function of support/trees.sh or compare.sh."""
    return run('bash', '-euc', '. "$1"; shift; "$@"', 'bash', SUPPORT / library, function, *arguments)


def assert_same_tree(tree, image):
    shell('compare.sh', 'assert_same_tree', tree, image)


def find_program(name):
    """A helper program, which is built beside quire."""
    program = pathlib.Path(os.environ.get(name.upper()) or QUIRE.parent / name)
    if not os.access(program, os.X_OK):
        pytest.skip(f'no {program}: build the target {name}')
    return program


def flip(path, at):
    """Changes a byte of a file so that nobody could tell by its time. `at`: its place, or the bytes that it is the first of."""
    before = os.stat(path)
    data = bytearray(pathlib.Path(path).read_bytes())
    data[at if isinstance(at, int) else data.index(at)] ^= 0x55
    pathlib.Path(path).write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def is_root():
    return os.geteuid() == 0


def is_sanitized(*kinds):
    """Whether quire was built with one of these sanitizers (asan, tsan)."""
    whole = QUIRE.read_bytes()
    return any(f'__{kind}_init'.encode() in whole for kind in kinds)


def is_mounted(folder):
    return f' {folder} ' in scenario.content('/proc/self/mountinfo').decode(errors='replace')


def is_gone(process):
    """Whether a process has ended; zombies have."""
    try:
        return re.search(rb'^State:\s*Z', scenario.content(f'/proc/{process}/status'), re.MULTILINE) is not None
    except OSError:
        return True


def until(seconds, condition, what):
    """Waits for something that another process does. `what` says what did not come, or is called for it."""
    __tracebackhide__ = True
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        assert time.monotonic() < end, f'not within {seconds} s: {what() if callable(what) else what}'
        time.sleep(LOOK_S)


def take_down(folder):
    if is_mounted(folder) and run('fusermount3', '-u', '-z', folder, status=None).returncode != 0:
        run('umount', '-l', folder)


def find_processes(pattern, *options):
    return [int(word) for word in run('pgrep', '-f', *options, '--', pattern, status=None).out.split()]


class Mount(scenario.Mount):
    """A mount of a pack: its `folder`, its daemon, what it counts."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.path = pathlib.Path(folder)
        self.plan_path = self.path / '.quire/plan'
        self.process = None  # of one in the foreground

    def __truediv__(self, name):
        return self.path / name

    def daemon(self):
        """The newest: umount(8) does not wait for the end of the one before."""
        found = find_processes(f'quire .*{re.escape(self.folder)}( |$)', '-n')
        assert found, f'no daemon serves {self.folder}'
        return found[0]

    def await_memory(self):
        """Waits until the mount finds enough memory for others that it may push and sweep."""
        until(60, lambda: not self.stats()['push']['is_memory_short'],
              lambda: 'memory: ' + run('cat', '/proc/meminfo', '/proc/pressure/memory', status=None).said)

    def unmount(self):
        quire('umount', self.folder)
        assert not is_mounted(self.folder), f'quire umount returned, but {self.folder} is still mounted'

    def end(self):
        """Sends SIGTERM to a daemon in the foreground. Its end is not waited for."""
        self.process.send_signal(signal.SIGTERM)

    def await_end(self, seconds=20):
        """The exit status of a daemon in the foreground."""
        return self.process.wait(seconds)


def as_arguments(options):
    return ['-o', ','.join(options)] if options else []


class Mounts:
    """Makes mounts; what is left of them goes when `at_end`, an ExitStack, is closed."""

    def __init__(self, at_end, scratch, logs):
        self.at_end, self.scratch, self.logs = at_end, scratch, logs

    def prepare(self, folder):
        folder = pathlib.Path(folder or self.scratch / 'mnt')
        folder.mkdir(parents=True, exist_ok=True)
        self.at_end.callback(take_down, folder)
        return folder

    def __call__(self, packed, *options, folder=None):
        """Mounts a pack with options as `cache_size=8M`."""
        folder = self.prepare(folder)
        quire('mount', packed, folder, *as_arguments(options))
        assert is_mounted(folder), f'quire mount returned, but nothing is mounted on {folder}'
        return Mount(folder)

    def adopt(self, folder):
        """What a command of the test's own has mounted."""
        return Mount(self.prepare(folder))

    def in_foreground(self, packed, *options, folder=None):
        """The same with a daemon that is a child of the test."""
        folder = self.prepare(folder)
        mount = Mount(folder)
        with open(self.logs / f'foreground-{time.monotonic_ns()}.log', 'wb') as log:
            mount.process = start(self.at_end, QUIRE, 'mount', '-f', packed, folder, *as_arguments(options), stdout=log, stderr=log)
        until(10, lambda: is_mounted(folder), 'quire mount -f mounts nothing')
        return mount

    def slow_disk(self, packed):
        """The path of a pack on a disk that obeys rules, and the disk."""
        folder, rules = self.prepare(self.scratch / 'slow'), self.scratch / 'slow-rules'
        rules.touch()
        start(self.at_end, find_program('slow_file'), packed, rules, folder)
        until(10, lambda: is_mounted(folder), 'the slow disk is not mounted')
        return folder / os.path.basename(packed), scenario.SlowDisk(str(rules))


def start(at_end, *command, **how):
    """A process that does not outlive the test, whether it is stopped or not."""
    process = subprocess.Popen([os.fsdecode(word) for word in command], stdin=subprocess.DEVNULL, **how)
    at_end.callback(kill, process)
    return process


def kill(process):
    """Does not wait: a reader whose daemon hangs ends after the daemon."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()


class User:
    """An ordinary user, with a home and a quire that can be run."""

    def __init__(self, at_end, scratch):
        self.home, self.quire = scratch / 'home', scratch / 'quire'  # the build folder may be closed to others
        self.home.mkdir()
        run('cp', QUIRE, self.quire)
        self.name = run('id', '-un').out.strip()
        if is_root():
            self.name = f'quire-test-{os.getpid()}'
            if run('useradd', '--system', '--no-create-home', '--home-dir', self.home, self.name, status=None).returncode != 0:
                pytest.skip('cannot make a user')
            # Once the daemons of a test that failed have ended.
            at_end.callback(until, 5, lambda: run('userdel', self.name, status=None).returncode == 0, f'userdel {self.name}')
            run('chown', f'{self.name}:', self.home)

    def run(self, *command, **how):
        return run(*(['runuser', '-u', self.name, '--'] if is_root() else []), *command, **how)
