# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests in Python: a scratch folder, quire, packs, mounts and users, all of which always go away again.

A test that fails shows what the daemons logged meanwhile. A file all of whose tests were skipped exits with 77 and prints
'SKIPPED: ' and the reason; where others passed, the reason stands behind 'left out: ', as in harness.sh."""
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / 'support'
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parents[1] / 'packaging/python')]
pytest.register_assert_rewrite('harness', 'mount_model')
import harness  # pylint: disable=wrong-import-position

SKIPPED = 77
SHOWN_LINES = 40  # of a daemon's log

os.environ.update(LC_ALL='C', TZ='UTC', PYTHONDONTWRITEBYTECODE='1')  # trees under test stay as they are
os.environ['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin:' + os.environ['PATH']  # Debian's python3 before any other
os.umask(0o022)


class Session:
    """What there is once for all tests of a file. Not in /tmp, which Debian 13 keeps in memory."""
    top = pathlib.Path(tempfile.gettempdir())
    logs = top
    log_sizes = {}
    tried = collections.Counter()


def pytest_sessionstart(session):
    if not os.access(harness.QUIRE, os.X_OK):
        pytest.exit(f'no quire at {harness.QUIRE}: build it first, or set QUIRE', returncode=1)
    # A signal takes down what is mounted, as the end of the test does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    Session.top = pathlib.Path(tempfile.mkdtemp(prefix='quire-test.', dir=os.environ.get('QUIRE_TEST_DIR', '/var/tmp')))
    Session.top.chmod(0o755)
    # Where a daemon logs to where there is no syslog.
    Session.logs = Session.top / 'logs'
    Session.logs.mkdir()
    Session.logs.chmod(0o1777)
    os.environ['LOGS_DIRECTORY'] = str(Session.logs)
    session.config.add_cleanup(lambda: remove(Session.top))


def interrupt(*_):
    raise KeyboardInterrupt


def remove(folder):
    harness.run('rm', '-rf', '--one-file-system', folder, status=None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    Session.log_sizes = {path: path.stat().st_size for path in Session.logs.iterdir()}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if not report.failed:
        return
    for path in sorted(Session.logs.iterdir()):
        text = path.read_bytes()[Session.log_sizes.get(path, 0):].decode(errors='backslashreplace')
        if text:
            report.sections.append((f'log of daemons: {path.name}', '\n'.join(text.splitlines()[-SHOWN_LINES:])))


def pytest_terminal_summary(terminalreporter):
    word = 'SKIPPED' if are_all_skipped(terminalreporter) else 'left out'
    reasons = [report.longrepr[2].removeprefix('Skipped: ') for report in terminalreporter.stats.get('skipped', [])]
    for reason in dict.fromkeys(reasons):
        terminalreporter.write_line(f'{word}: {reason}')
    for what, count in Session.tried.items():
        terminalreporter.write_line(f'tried: {count} {what}')


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin('terminalreporter')
    if reporter is not None and are_all_skipped(reporter):
        session.exitstatus = SKIPPED


def are_all_skipped(reporter):
    return 'skipped' in reporter.stats and not {'passed', 'failed', 'error'} & set(reporter.stats)


@pytest.fixture(name='scratch')
def make_scratch(request):
    """A folder of the test's own on a real disk."""
    folder = Session.top / request.node.name.translate({ord(mark): '_' for mark in '[]/ '})
    folder.mkdir()
    yield folder
    remove(folder)


@pytest.fixture(name='module_scratch', scope='module')
def make_module_scratch():
    """A folder for what the tests of a file share."""
    folder = Session.top / 'shared'
    folder.mkdir()
    yield folder
    remove(folder)


@pytest.fixture(autouse=True)
def keep_cache_apart(scratch, monkeypatch):
    """Indexes of archives lie where each test's own folder is."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(scratch / 'cache'))


@pytest.fixture(name='at_end')
def make_stack(scratch):  # pylint: disable=unused-argument  # the folder goes after what lies in it
    """An ExitStack that is closed when the test has ended."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(name='quire')
def get_quire():
    """Runs the command: harness.run() says how."""
    return harness.quire


@pytest.fixture(name='pack')
def get_packer():
    """pack(TREE, OUT, OPTION...)"""
    return harness.pack


@pytest.fixture(name='mount')
def make_mounts(at_end, scratch):
    """mount(PACK, OPTION...): a harness.Mount."""
    if not os.access('/dev/fuse', os.W_OK):
        pytest.skip('/dev/fuse is not there, or not for this user')
    if not harness.is_root() and not shutil.which('fusermount3'):
        pytest.skip('there is no fusermount3')
    return harness.Mounts(at_end, scratch, Session.logs)


@pytest.fixture(name='ordinary_user')
def make_ordinary_user(at_end, scratch):
    """The user who runs the test, or one made for it when that is root."""
    return harness.User(at_end, scratch)


@pytest.fixture(name='tally')
def get_tally():
    """tally(COUNT, WHAT): how often a test tried something, for `tests/run --trust`, which adds such lines up."""
    return lambda count, what: Session.tried.update({what: count})
