#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a pack is read by URL as if it lay here; what a server does wrong passes, or is an error, and never a wrong byte."""
import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import threading
import time

import harness
import pytest
import web
from random_tree import RandomTree
from web import Misbehaving, Nginx

SAMPLES = 60

make_served = web.served_pack(SAMPLES)


@pytest.fixture(name='bad')
def make_bad(at_end, served):
    return Misbehaving(at_end, served / 'tree.quire')


def tree_of(folder):
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}


def read_all(mounted, tree):
    """The names of samples that cannot be read; all others are right."""
    failed = set()
    for name in sorted(os.listdir(tree)):
        try:
            data = (mounted / name).read_bytes()
        except OSError:
            failed.add(name)
        else:
            assert data == (tree / name).read_bytes(), name
    return failed


def test_commands_read_a_pack_by_url(scratch, at_end, quire, pack):
    tree = RandomTree(random.Random(2), scratch / 'tree', 150)
    assert tree.files
    (scratch / 'served').mkdir()
    local = scratch / 'served/tree.quire'
    pack(scratch / 'tree', local)
    url = Nginx(at_end, scratch, scratch / 'served').url + '/tree.quire'
    for command in (('ls', '-lR'), ('export',)):
        assert quire(command[0], url, *command[1:]).stdout == quire(command[0], local, *command[1:]).stdout
    quire('verify', url).says('no fault')
    quire('diff', url, scratch / 'tree')
    quire('extract', url, '-C', scratch / 'extracted')
    harness.assert_same_tree(scratch / 'tree', scratch / 'extracted')
    quire('pack', '--from', url, '-o', scratch / 'again.quire')
    assert (scratch / 'again.quire').read_bytes() == local.read_bytes()
    quire('info', url).says(url)


def test_a_mount_by_url_equals_the_tree(scratch, at_end, mount, pack):
    tree = RandomTree(random.Random(3), scratch / 'tree', 150)
    assert tree.files
    (scratch / 'served').mkdir()
    pack(scratch / 'tree', scratch / 'served/tree.quire')
    # By a name, which is looked up again by the daemon when it has given up what it does not need.
    url = Nginx(at_end, scratch, scratch / 'served').url.replace('127.0.0.1', 'localhost') + '/tree.quire'
    log = scratch / 'log'
    mounted = mount(url, f'log_file={log}')
    harness.assert_same_tree(scratch / 'tree', mounted.folder)
    assert url in harness.run('findmnt', '-n', '-o', 'SOURCE', mounted.folder).out
    if not harness.is_sanitized('asan', 'tsan'):
        assert 'files: those of serving and no others' in log.read_text()
        assert 'system calls: those of serving and no others' in log.read_text()


@pytest.mark.parametrize('fault', ['cut', 'short', '500', '502', '503', '504', '408', 'patience', 'no http', 'wrong bytes', 'cut headers'])
def test_what_passes_is_repeated(scratch, bad, mount, fault):
    mounted = mount(bad.url)
    bad.faults = [(fault, 1)]
    assert read_all(mounted, scratch / 'tree') == set()
    assert bad.done == [fault]
    remote = mounted.stats()['remote']
    assert remote['bytes'] > 0
    assert remote['in_flight'] == 0 and 1 <= remote['window'] <= 64
    assert 0 < remote['latency_p50_us'] <= remote['latency_p99_us']
    # What is no HTTP is final for the client, and the cache asks once more for what it wants; so it does for wrong bytes.
    assert (remote['retries'], remote['failures']) == {'no http': (0, 1), 'wrong bytes': (0, 0)}.get(fault, (1, 0))


def test_what_a_proxy_keeps_wrong_is_read_from_the_origin(scratch, bad, mount):
    mounted = mount(bad.url, 'push=off')
    bad.faults = [('kept wrong', 100_000)]  # to whoever does not ask for what the origin has
    assert read_all(mounted, scratch / 'tree') == set()
    assert any('Cache-Control' in headers for _, headers in bad.seen)


def test_an_idle_mount_sleeps(scratch, at_end, mount, served):
    mounted = mount(Nginx(at_end, scratch, served).url + '/tree.quire', 'push=off')
    (mounted / '000').read_bytes()
    threads = f'/proc/{mounted.daemon()}/task'
    thread = next(name for name in os.listdir(threads) if pathlib.Path(threads, name, 'comm').read_text() == 'quire-http\n')

    def switches():
        return int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', pathlib.Path(threads, thread, 'status').read_text(), re.M)[1])

    time.sleep(1)  # what the read began is over
    before = switches()
    time.sleep(3)
    assert switches() - before < 5


@pytest.mark.parametrize('fault', ['whole', '404', '403', '401', '416', 'other range', 'no range', 'other size', 'other tag', 'gzip', 'long',
                                   'long length'])
def test_what_does_not_pass_is_an_error(scratch, bad, mount, fault):
    mounted = mount(bad.url, 'push=off', 'retry=5')
    bad.faults = [(fault, 1000)]
    began = time.monotonic()
    assert len(read_all(mounted, scratch / 'tree')) == SAMPLES
    assert time.monotonic() - began < 60
    bad.faults = []
    assert read_all(mounted, scratch / 'tree') == set(), 'the server serves again'


def test_headers_without_an_end_are_an_error(scratch, bad, mount):
    mounted = mount(bad.url, 'push=off', 'readahead=off', 'retry=3')
    bad.faults = [('header drip', 1000)]
    began = time.monotonic()
    with pytest.raises(OSError):
        (mounted / '000').read_bytes()
    assert time.monotonic() - began < 40


@pytest.mark.parametrize('fault, told', [('whole', 'does not serve ranges'), ('404', 'no such object'), ('403', 'does not permit'),
                                         ('401', r'~/\.netrc'), ('gzip', "encoded as 'gzip'"), ('no range', 'Content-Range'),
                                         ('500', 'has a fault'), ('no http', 'http')])
def test_a_server_that_cannot_serve_is_told_at_once(scratch, bad, quire, fault, told):
    bad.faults = [(fault, 1000)]
    began = time.monotonic()
    quire('ls', bad.url, status=1).says(told)
    folder = scratch / 'mnt'
    folder.mkdir()
    quire('mount', bad.url, folder, status=1).says(told)
    assert time.monotonic() - began < 30
    assert not harness.is_mounted(folder)


def test_a_url_that_nobody_answers_at_is_told_at_once(scratch, quire):
    began = time.monotonic()
    for url in ('http://127.0.0.1:1/x.quire', 'http://no-such-host.invalid/x.quire'):
        quire('ls', url, status=1).says(url)
    assert time.monotonic() - began < 30
    for url in ('http://user:secret@127.0.0.1/x.quire', 'http:///x.quire', 'http://127.0.0.1/a b'):
        done = quire('ls', url, status=None)
        assert done.returncode in (1, 2)
        assert 'secret' not in done.said.replace(url, '')


def test_a_file_of_many_pieces_is_right(scratch, at_end, mount, pack, served):
    """20,000 pieces, whose records lie in many blocks of the index, and each of which is read alone."""
    rng = random.Random(7)
    tree = scratch / 'pieces'
    tree.mkdir()
    with open(tree / 'file', 'wb') as file:
        for piece in range(20_000):
            file.seek(piece * 8192)
            file.write(rng.randbytes(4096))
        file.truncate(20_000 * 8192)
        os.fsync(file.fileno())
    pack(tree, served / 'tree.quire', '-f')
    url = Nginx(at_end, scratch, served).url + '/tree.quire'
    mounted = mount(url, 'admit=extent', 'push=off', 'direct_io', 'readahead=off')
    with open(tree / 'file', 'rb') as wanted, open(mounted / 'file', 'rb', buffering=0) as got:
        for _ in range(40):
            data = got.read(1 << 20)
            assert data and data == wanted.read(len(data))


@pytest.mark.parametrize('fault', ['trailer status', 'trailer range', 'trailer no range', 'trailer tag'])
def test_what_follows_a_body_changes_nothing(scratch, bad, quire, mount, fault):
    bad.faults = [(fault, 1000)]
    quire('verify', bad.url).says('no fault')
    assert read_all(mount(bad.url), scratch / 'tree') == set()


@pytest.mark.parametrize('fault', ['drip', 'silence', '503'])
def test_commands_end_by_a_signal_whatever_the_server_does(scratch, at_end, bad, fault):
    for command in (('verify', bad.url), ('extract', bad.url, '-C', scratch / 'x'), ('pack', '--from', bad.url, '-o', scratch / 'x.quire'),
                    ('export', bad.url, '-o', scratch / 'x.tar'), ('ls', bad.url)):
        for served_before in (0, 4):
            bad.faults, bad.done = [('', served_before), (fault, 1000)], []
            process = harness.start(at_end, harness.QUIRE, *command)
            harness.until(20, lambda: fault in bad.done or process.poll() is not None, 'the server is asked')
            process.send_signal(2)
            process.wait(5)
        assert not (scratch / 'x.quire').exists() and not (scratch / 'x.tar').exists()


def test_patience_that_is_asked_for_has_an_end(scratch, bad, mount):
    mounted = mount(bad.url, 'push=off', 'retry=5')
    bad.faults = [('long patience', 1000)]
    began = time.monotonic()
    with pytest.raises(OSError):
        (mounted / '000').read_bytes()
    assert time.monotonic() - began < 30


def test_an_index_of_archives_is_none_to_read_by_url(scratch, at_end, quire, served):
    harness.run('tar', '-C', scratch / 'tree', '-cf', served / 'a.tar', '.')
    quire('index', served / 'a.tar', '-o', served / 'a.quire')
    server = Nginx(at_end, scratch, served)
    for command in (('ls', server.url + '/a.quire'), ('mount', server.url + '/a.quire', scratch)):
        quire(*command, status=1).says('is an index of archives')


def test_an_object_that_changes_is_an_error_and_never_mixed(scratch, at_end, mount, pack, served):
    server = Nginx(at_end, scratch, served)
    mounted = mount(server.url + '/tree.quire', 'push=off')
    assert (mounted / '000').read_bytes() == (scratch / 'tree/000').read_bytes()
    shutil.copytree(scratch / 'tree', scratch / 'other')
    for path in (scratch / 'other').iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    pack(scratch / 'other', served / 'other.quire')
    os.replace(served / 'other.quire', served / 'tree.quire')
    assert read_all(mounted, scratch / 'tree'), 'what was not in memory cannot be had any more'


def shown(mounted):
    return json.loads((mounted / '.quire/stats').read_text())


def put(packed, served):
    """As a server does: the object is the old one or the new one."""
    shutil.copy(packed, served.with_suffix('.new'))
    os.rename(served.with_suffix('.new'), served)


def await_shown(mounted, generation):
    __tracebackhide__ = True
    harness.until(40, lambda: shown(mounted)['generation'] == generation, f'generation {generation}')


def test_a_pack_that_grows_is_followed_by_url(scratch, at_end, mount, pack, quire):
    chance = random.Random(9)
    (scratch / 'tree/d').mkdir(parents=True)
    (scratch / 'served').mkdir()
    for number in range(400):
        (scratch / f'tree/d/{number:03}').write_bytes(chance.randbytes(30000))
    packed, served = scratch / 'own.quire', scratch / 'served/p.quire'
    pack(scratch / 'tree', packed)
    put(packed, served)
    mounted = mount(Nginx(at_end, scratch, scratch / 'served').url + '/p.quire', 'follow')
    assert (mounted / 'd/000').read_bytes() == (scratch / 'tree/d/000').read_bytes() and not (mounted / 'd/new').exists()
    ends = threading.Event()

    def read_on():
        read = 0
        for path in itertools.cycle(sorted((scratch / 'tree/d').iterdir())):
            if ends.is_set():
                return read
            assert (mounted / 'd' / path.name).read_bytes() == path.read_bytes()
            read += 1

    with concurrent.futures.ThreadPoolExecutor() as threads:
        readers = [threads.submit(read_on) for _ in range(3)]
        for generation in range(2, 5):
            more = scratch / f'more{generation}'
            (more / 'd').mkdir(parents=True)
            (more / f'd/new{generation}').write_bytes(chance.randbytes(100000))
            quire('append', packed, more)
            put(packed, served)
            await_shown(mounted, generation)
            assert (mounted / f'd/new{generation}').read_bytes() == (more / f'd/new{generation}').read_bytes()
        ends.set()
        assert all(reader.result() > 0 for reader in readers)


def test_an_object_that_does_not_go_on_is_not_followed(scratch, at_end, mount, pack, quire, served):
    tree, target = scratch / 'tree', served / 'tree.quire'
    own = scratch / 'own.quire'
    shutil.copy(target, own)
    mounted = mount(Nginx(at_end, scratch, served).url + '/tree.quire', 'follow', 'push=off', 'readahead=off')
    first = sorted(os.listdir(tree))[0]
    assert (mounted / first).read_bytes() == (tree / first).read_bytes()
    (scratch / 'other').mkdir()
    (scratch / 'other/a').write_bytes(b'a' * 5000)
    pack(scratch / 'other', scratch / 'other.quire')
    put(scratch / 'other.quire', target)
    harness.until(40, lambda: 'does not go on' in (shown(mounted)['follow']['trouble'] or ''), 'the trouble')
    assert shown(mounted)['generation'] == 1 and sorted(os.listdir(mounted.folder)) == sorted(os.listdir(tree))
    assert read_all(mounted, tree)  # all but what was read before, and nothing is wrong
    # One that goes on is found again.
    quire('append', own, scratch / 'other')
    put(own, target)
    await_shown(mounted, 2)
    assert (mounted / 'a').read_bytes() == b'a' * 5000 and not read_all(mounted, tree)


def test_an_outage_is_waited_out(scratch, at_end, mount, served):
    server = Nginx(at_end, scratch, served)
    mounted = mount(server.url + '/tree.quire', 'push=off')
    server.stop()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        failed = pool.submit(read_all, mounted, scratch / 'tree')
        time.sleep(2)
        server.start()
        assert failed.result() == set()


def test_verifying_ends_with_an_outage_and_names_no_sample(scratch, at_end, served, quire):
    server = Misbehaving(at_end, served / 'tree.quire')
    server.faults.append(('', 6))  # the opening, and some of the index
    server.faults.append(('503', 10_000))
    result = quire('verify', '--retry', '1', server.url, status=1)
    assert 'not all of it was checked: the server has a fault (status 503)' in result.err, result.err
    assert 'damaged' not in result.said


def test_an_outage_longer_than_retry_is_an_error(scratch, at_end, mount, served):
    server = Nginx(at_end, scratch, served)
    mounted = mount(server.url + '/tree.quire', 'push=off', 'retry=0')
    server.stop()
    assert len(read_all(mounted, scratch / 'tree')) == SAMPLES
    server.start()
    assert read_all(mounted, scratch / 'tree') == set()


def test_unmounting_waits_for_no_server(scratch, bad, mount):
    mounted = mount(bad.url, 'push=off')
    bad.faults = [('silence', 1000)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reading = pool.submit(read_all, mounted, scratch / 'tree')
        harness.until(10, lambda: bad.faults[0][1] < 1000, 'the server is asked')
        daemon = mounted.daemon()
        began = time.monotonic()
        os.kill(daemon, 15)
        harness.until(10, lambda: not harness.is_mounted(mounted.folder), 'the mount is gone')
        harness.until(10, lambda: not os.path.exists(f'/proc/{daemon}'), 'the daemon is gone')
        assert time.monotonic() - began < 10
        assert reading.result()


def test_an_index_by_url_comes_as_far_as_it_is_needed(scratch, at_end, mount):
    """200 folders of 1000 samples: 16 MB of index. What is asked for is seen in the server's log."""
    served = scratch / 'served'
    served.mkdir()
    local = served / 'large.quire'
    harness.run(harness.find_program('synthetic_pack'), local, '200000', '8')
    index_bytes = local.stat().st_size - 200_000 * 8
    server = Nginx(at_end, scratch, served)

    def asked():
        """The number of requests so far, and of bytes in their answers."""
        sizes = [int(line.split('"')[2].split()[1]) for line in server.log.read_text().splitlines()]
        return len(sizes), sum(sizes)

    mounted = mount(server.url + '/large.quire')
    assert asked()[0] <= 5, 'each is a round trip'
    assert len([os.stat(entry) for entry in os.scandir(mounted / 'class-000000100')]) == 1000
    assert asked()[1] < 1 << 20, 'one folder needs few blocks'
    with concurrent.futures.ThreadPoolExecutor() as pool:
        walks = [pool.submit(harness.run, 'find', mounted.folder, '-size', '+0', '-type', 'f') for _ in range(2)]
        assert [walk.result().out.count('\n') for walk in walks] == [200_000] * 2
    requests, sent = asked()
    assert sent < 1.1 * index_bytes, 'two walks need nothing twice'
    assert requests < 100, 'blocks are asked for by the megabyte'


def test_a_mount_by_url_asks_for_as_little_of_a_large_root(scratch, at_end, mount):
    """10,000 folders in the root: each step of a search through them would be a round trip."""
    served = scratch / 'served'
    served.mkdir()
    harness.run(harness.find_program('synthetic_pack'), served / 'wide.quire', '200000', '8', '20')
    server = Nginx(at_end, scratch, served)
    mounted = mount(server.url + '/wide.quire')
    assert len(server.log.read_text().splitlines()) <= 6, 'two of them at once'
    assert mounted.stats()
    assert len(os.listdir(mounted / 'class-000009999')) == 20


def make_authority(folder):
    """A key and a certificate of 127.0.0.1, signed by an authority of the test's own: (authority, certificate, key)."""
    def openssl(*arguments):
        harness.run('openssl', *arguments, cwd=folder)
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test')
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=127.0.0.1')
    (folder / 'names').write_text('subjectAltName=IP:127.0.0.1\n')
    openssl('x509', '-req', '-in', 'request.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile',
            'names', '-out', 'cert.pem')
    return folder / 'ca.pem', folder / 'cert.pem', folder / 'key.pem'


def test_certificates_are_checked(scratch, at_end, quire, mount, served):
    authority, *tls = make_authority(scratch)
    url = Nginx(at_end, scratch, served, tls=tls).url + '/tree.quire'
    quire('ls', url, status=1).says('certificate')
    quire('verify', '--ca-file', authority, url).says('no fault')
    mounted = mount(url, f'ca_file={authority}')
    assert read_all(mounted, scratch / 'tree') == set()


def test_passwords_come_from_netrc_and_headers_from_a_file(scratch, at_end, quire, mount, monkeypatch, served, bad):
    (scratch / 'passwords').write_text('me:' + harness.run('openssl', 'passwd', '-apr1', 'secret').out)
    server = Nginx(at_end, scratch, served, settings=f'auth_basic "x"; auth_basic_user_file {scratch}/passwords;')
    url = server.url + '/tree.quire'
    monkeypatch.setenv('HOME', str(scratch))
    quire('ls', url, status=1).says(r'~/\.netrc')
    (scratch / '.netrc').write_text('machine 127.0.0.1 login me password secret\n')
    quire('verify', url).says('no fault')
    mounted = mount(url)
    assert read_all(mounted, scratch / 'tree') == set()
    (scratch / 'headers').write_text('# of the test\nX-Token: abc\n')
    quire('ls', '--header-file', scratch / 'headers', bad.url)
    assert read_all(mount(bad.url, f'header_file={scratch}/headers', folder=scratch / 'with-headers'), scratch / 'tree') == set()
    assert all(headers['X-Token'] == 'abc' for _, headers in bad.seen)
    for wrong in ('no header\n', 'Authorization : secret\n', 'X: \x01\n', ': x\n'):
        (scratch / 'headers').write_text(wrong)
        quire('ls', '--header-file', scratch / 'headers', bad.url, status=2).says('line 1 is no')
    for wrong in ('/dev/zero', '/etc/passwd', scratch):
        done = quire('ls', '--header-file', wrong, bad.url, status=None)
        assert done.returncode in (1, 2)


def test_secrets_stay_with_their_host(scratch, at_end, quire, monkeypatch, served, bad):
    monkeypatch.setenv('HOME', str(scratch))
    (scratch / '.netrc').write_text('machine 127.0.0.1 login me password secret\n')
    (scratch / 'headers').write_text('Authorization: Bearer secret\nCookie: secret\n')
    elsewhere = bad.url.replace('127.0.0.1', 'localhost')
    server = Nginx(at_end, scratch, served, settings=f'location / {{ return 302 {elsewhere}; }}')
    for options in ((), ('--header-file', scratch / 'headers')):
        quire('verify', *options, server.url + '/tree.quire').says('no fault')
    assert bad.seen
    assert not any('secret' in str(headers) or 'Authorization' in headers for _, headers in bad.seen)


def test_what_came_encrypted_does_not_lead_to_what_does_not(scratch, at_end, quire, served, bad):
    authority, *tls = make_authority(scratch)
    server = Nginx(at_end, scratch, served, tls=tls, settings=f'location / {{ return 302 {bad.url}; }}')
    quire('ls', '--ca-file', authority, server.url + '/tree.quire', status=1).says('[Pp]rotocol')
    assert not bad.seen
