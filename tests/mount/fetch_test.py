#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire fetch -o FILE` makes FILE when every byte of it is right and not before; whatever ends it, the next one goes on with
what came, and what is there is never wrong."""
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import threading

import harness
import pytest
import web
from web import SAMPLE_BYTES, Nginx

SAMPLES = 200
PAGE = 2 << 20
SECTOR = 4096

make_served, make_origin = web.served_pack(SAMPLES), web.make_origin  # ten pages


@pytest.fixture(name='target')
def make_target(scratch):
    """Where the copy goes: alone in a folder."""
    folder = scratch / 'target'
    folder.mkdir()
    return folder / 'copy.quire'


def unfinished_of(target):
    return target.parent / f'.{target.name}.quire-fetch'


def names_beside(target):
    return sorted(os.listdir(target.parent))


def assert_made(target, source):
    assert target.read_bytes() == source.read_bytes()
    assert names_beside(target) == [target.name]


def begin(at_end, origin, target, *options):
    """A fetch that goes on for a second or two, in the background. It heeds SIGINT, which jobs of scripts ignore."""
    return harness.start(at_end, harness.QUIRE, 'fetch', origin.url, '-o', target, '--jobs', '1', '--limit', '8M', *options,
                         stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def recorded_pages(target, source):
    """The pages that the newer record of an unfinished copy tells of: see tools/fetch/unfinished_copy.h."""
    data, size = unfinished_of(target).read_bytes(), source.stat().st_size
    pages = -(-size // PAGE)
    first = -(-size // SECTOR) * SECTOR
    assert len(data) == first + 4 * SECTOR, 'two records of two sectors'
    records = [data[first + place * 2 * SECTOR:][:2 * SECTOR] for place in (0, 1)]
    newer = max(records, key=lambda record: int.from_bytes(record[SECTOR + 8:SECTOR + 16], 'little'))
    bits = int.from_bytes(newer[:SECTOR], 'little')
    return [page for page in range(pages) if bits >> page & 1]


def await_recorded(target, source, count=1):
    harness.until(20, lambda: unfinished_of(target).stat().st_size > 0 and len(recorded_pages(target, source)) >= count, 'pages are recorded')


def asked_bytes(origin):
    return sum(last + 1 - first for (first, last), _ in origin.seen)


def test_a_copy_is_the_pack(scratch, at_end, served, target, quire):
    source = served / 'tree.quire'
    for origin in (Nginx(at_end, scratch, served).url + '/tree.quire', source):
        told = json.loads(quire('fetch', origin, '-o', target, '--json').out)
        size = source.stat().st_size
        assert told == {'schema': 1, 'file': str(target), 'pack_bytes': size, 'fetched_bytes': size, 'kept_bytes': 0, 'refetched_pages': 0}
        assert_made(target, source)
        quire('fetch', origin, '-o', target, status=1).says('--force replaces it')
        assert_made(target, source)
        target.write_bytes(b'another')
        quire('fetch', origin, '-o', target, '-f').says('all of them verified')
        assert_made(target, source)
        target.unlink()


def test_what_lies_behind_a_pack_is_no_part_of_the_copy(served, target, quire):
    longer = served / 'longer.quire'
    longer.write_bytes((served / 'tree.quire').read_bytes() + b'more')
    quire('fetch', longer, '-o', target)
    assert_made(target, served / 'tree.quire')


def test_a_copy_that_is_killed_is_gone_on_with(at_end, origin, target, quire):
    """Of what no record tells, anything may be there after a loss of power."""
    kills = random.Random(os.environ.get('QUIRE_SEED', '5'))
    most = 0
    for _ in range(int(os.environ.get('QUIRE_KILLS', '6'))):
        fetching = begin(at_end, origin, target)
        try:
            fetching.wait(kills.uniform(0.05, 1.8))
        except subprocess.TimeoutExpired:
            pass
        fetching.kill()
        fetching.wait()
        if target.exists():
            assert_made(target, origin.path)
            target.unlink()
            most = 0
        if not unfinished_of(target).exists() or unfinished_of(target).stat().st_size == 0:
            continue
        recorded = recorded_pages(target, origin.path)
        assert len(recorded) >= most, 'what was recorded is not fetched again'
        most = len(recorded)
        came, wanted = unfinished_of(target).read_bytes(), origin.path.read_bytes()
        for page in recorded:
            assert came[page * PAGE:(page + 1) * PAGE][:len(wanted) - page * PAGE] == wanted[page * PAGE:(page + 1) * PAGE], page
        with open(unfinished_of(target), 'r+b') as file:
            for page in set(range(origin.path.stat().st_size // PAGE)) - set(recorded):
                file.seek(page * PAGE)
                file.write(kills.randbytes(PAGE))
    del origin.seen[:]
    told = json.loads(quire('fetch', origin.url, '-o', target, '--json').out)
    assert_made(target, origin.path)
    assert told['refetched_pages'] == 0
    assert told['kept_bytes'] + told['fetched_bytes'] == told['pack_bytes']
    assert told['kept_bytes'] >= (most - 1) * PAGE


def test_what_a_record_tells_of_is_not_fetched_again(at_end, origin, target, quire):
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path, 2)
    fetching.kill()
    fetching.wait()
    kept = len(recorded_pages(target, origin.path))
    del origin.seen[:]
    quire('fetch', origin.url, '-o', target).says('were fetched before')
    assert_made(target, origin.path)
    assert asked_bytes(origin) <= origin.path.stat().st_size - kept * PAGE + (256 << 10), 'but for the index'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_came_is_kept(at_end, origin, target, quire, number):
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path)
    fetching.send_signal(number)
    said = fetching.communicate()[1].decode()
    assert fetching.returncode == -number
    assert 'interrupted; what was fetched is kept as' in said and str(unfinished_of(target)) in said
    assert not target.exists()
    kept = recorded_pages(target, origin.path)
    assert kept, 'what came until then is recorded'
    assert json.loads(quire('fetch', origin.url, '-o', target, '--json').out)['kept_bytes'] >= (len(kept) - 1) * PAGE
    assert_made(target, origin.path)


def test_an_outage_ends_it_and_what_came_is_kept(at_end, origin, target, quire):
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path)
    origin.faults = [('403', 1000)]
    said = fetching.communicate()[1].decode()
    assert fetching.returncode == 1
    assert 'does not permit' in said and 'is kept as' in said
    assert names_beside(target) == [unfinished_of(target).name]
    origin.faults = []
    assert json.loads(quire('fetch', origin.url, '-o', target, '--json').out)['kept_bytes'] > 0
    assert_made(target, origin.path)


def test_another_state_begins_anew(at_end, scratch, served, target, quire, pack):
    source = served / 'tree.quire'
    url = Nginx(at_end, scratch, served, settings='location / { limit_rate 4m; }').url + '/tree.quire'
    fetching = harness.start(at_end, harness.QUIRE, 'fetch', url + '?secret=1', '-o', target, '--jobs', '1', '--limit', '8M')
    await_recorded(target, source)
    fetching.kill()
    fetching.wait()
    assert b'secret' not in unfinished_of(target).read_bytes()
    assert b'tree.quire, ' in unfinished_of(target).read_bytes()
    (scratch / 'tree/000').write_bytes(b'x' * SAMPLE_BYTES)
    pack(scratch / 'tree', source, '-f')
    said = quire('fetch', url, '-o', target)
    said.says('begins anew', 'another state, http://127.0.0.1:[0-9]*/tree.quire, [0-9]* bytes, ETag "')
    assert_made(target, source)


def test_what_is_nothing_begins_anew(origin, target, quire):
    for content in (b'x', bytes(origin.path.stat().st_size), b'x' * (origin.path.stat().st_size + 4 * SECTOR)):
        unfinished_of(target).write_bytes(content)
        quire('fetch', origin.url, '-o', target).says('begins anew', 'nothing that can be gone on with')
        assert_made(target, origin.path)
        target.unlink()


def test_an_object_that_changes_on_the_way_is_an_error(at_end, origin, target):
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path)
    origin.faults = [('other tag', 1000)]
    said = fetching.communicate()[1].decode()
    assert 'another ETag' in said, said
    assert fetching.returncode == 1 and not target.exists()


def test_a_file_that_changes_on_the_way_is_an_error(at_end, served, target, quire):
    source = served / 'tree.quire'
    fetching = harness.start(at_end, harness.QUIRE, 'fetch', source, '-o', target, '--jobs', '1', '--limit', '8M', stderr=subprocess.PIPE)
    await_recorded(target, source)
    os.utime(source)
    assert 'has changed while it was copied' in fetching.communicate()[1].decode()
    assert fetching.returncode == 1 and not target.exists()
    quire('fetch', source, '-o', target).says('begins anew')
    assert_made(target, source)


def test_what_a_proxy_keeps_wrong_is_fetched_from_the_origin(origin, target, quire):
    origin.faults = [('', 8), ('kept wrong', 100_000)]
    told = quire('fetch', origin.url, '-o', target, '--json')
    told.says('came wrong, and .* fetched once more')
    assert json.loads(told.out)['refetched_pages'] > 0
    assert_made(target, origin.path)


def test_what_is_wrong_twice_is_named_and_makes_no_file(origin, target, quire):
    for at in (3 * PAGE, 0, origin.path.stat().st_size - 100_000):  # a sample, the superblock, the index
        harness.flip(origin.path, at)
        done = quire('fetch', origin.url, '-o', target, status=1)
        if at == 3 * PAGE:
            done.says(r'damaged: \d{3}: .*checksum mismatch', 'also the second time', 'is kept as', '1 page came wrong')
        assert not target.exists()
        harness.flip(origin.path, at)
        # What was right is kept, and what was wrong is fetched from the source that was put right.
        quire('fetch', origin.url, '-o', target)
        assert_made(target, origin.path)
        target.unlink()


def test_a_damaged_source_makes_no_file(served, target, quire):
    source = served / 'tree.quire'
    harness.flip(source, 3 * PAGE)
    quire('fetch', source, '-o', target, status=1).says('1 page came wrong', r'damaged: .*\b\d{3}\b.*checksum mismatch')
    assert not target.exists()


def test_what_the_disk_made_of_it_is_found(at_end, origin, target, quire):
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path, 3)
    fetching.kill()
    fetching.wait()
    recorded = recorded_pages(target, origin.path)
    with open(unfinished_of(target), 'r+b') as file:
        for page in recorded:
            file.seek(page * PAGE + (1 << 20))
            file.write(b'harm')
    told = json.loads(quire('fetch', origin.url, '-o', target, '--json').out)
    assert told['refetched_pages'] == len(recorded)
    assert_made(target, origin.path)


def test_what_is_no_pack_leaves_nothing(scratch, at_end, served, target, quire):
    (served / 'text').write_text('no pack' * 1000)
    (served / 'empty').write_bytes(b'')
    (served / 'short.quire').write_bytes((served / 'tree.quire').read_bytes()[:100_000])
    url = Nginx(at_end, scratch, served).url
    for source in (f'{url}/text', f'{url}/empty', f'{url}/none', served / 'text', served / 'none', served, f'{url}/short.quire', '/dev/null'):
        quire('fetch', source, '-o', target, status=1).says('quire fetch: ')
        assert names_beside(target) == []
    with open(served / 'tree.tar', 'wb') as archive:
        archive.write(quire('export', served / 'tree.quire').stdout)
    quire('fetch', served / 'tree.tar', '-o', target, status=1).says('not a Quire pack')
    quire('index', served / 'tree.tar', '-o', served / 'index.quire')
    quire('fetch', served / 'index.quire', '-o', target, status=1).says('index of archives')
    assert names_beside(target) == []


def test_one_of_two_makes_the_file(at_end, origin, target, quire):
    fetching = begin(at_end, origin, target)
    harness.until(20, unfinished_of(target).exists, 'it begins')
    for _ in range(3):
        quire('fetch', origin.url, '-o', target, status=1).says('another process is making it now')
    assert fetching.wait() == 0
    assert_made(target, origin.path)


def test_many_at_once_make_one_file(at_end, origin, target):
    fetching = [harness.start(at_end, harness.QUIRE, 'fetch', origin.url, '-o', target, stderr=subprocess.PIPE) for _ in range(6)]
    said = [process.communicate()[1].decode() for process in fetching]
    assert sorted(process.returncode for process in fetching) == [0] + 5 * [1], said
    assert all('another process' in text or 'File exists' in text for process, text in zip(fetching, said) if process.returncode), said
    assert_made(target, origin.path)


def test_a_file_that_came_meanwhile_is_not_replaced(at_end, origin, target, quire):
    fetching = begin(at_end, origin, target)
    harness.until(20, unfinished_of(target).exists, 'it begins')
    target.write_bytes(b'mine')
    assert 'File exists' in fetching.communicate()[1].decode()
    assert target.read_bytes() == b'mine'
    quire('fetch', origin.url, '-o', target, '-f')
    assert_made(target, origin.path)


def test_what_stands_in_the_way_is_not_touched(scratch, origin, target, quire):
    precious = scratch / 'precious'
    for put in (lambda way: way.symlink_to(precious), lambda way: way.hardlink_to(precious), os.mkfifo):
        precious.write_bytes(b'precious')
        put(unfinished_of(target))
        quire('fetch', origin.url, '-o', target, status=1).says('quire-fetch')
        assert precious.read_bytes() == b'precious'
        assert not target.exists()
        unfinished_of(target).unlink()
    if harness.is_root():
        unfinished_of(target).write_bytes(b'of another')
        os.chown(unfinished_of(target), 65534, 65534)
        quire('fetch', origin.url, '-o', target, status=1).says('remove it')
        assert unfinished_of(target).read_bytes() == b'of another'
        unfinished_of(target).unlink()
    # What died between link(2) and unlink(2).
    quire('fetch', origin.url, '-o', target)
    unfinished_of(target).hardlink_to(target)
    quire('fetch', origin.url, '-o', target, '-f')
    assert_made(target, origin.path)


def test_where_it_cannot_be_written_is_told_before_the_work(scratch, origin, target, quire):
    for wrong, told in ((scratch / 'none/copy', 'make it first'), (target.parent, 'is a directory'), ('/dev/null', 'regular file'),
                        ('/proc/copy', '/proc')):
        del origin.seen[:]
        quire('fetch', origin.url, '-o', wrong, status=1).says(told)
        assert asked_bytes(origin) < 1 << 20
    if harness.is_root():
        folder = scratch / 'read-only'
        folder.mkdir()
        harness.run('mount', '-t', 'tmpfs', '-o', 'ro', 'none', folder)
        try:
            quire('fetch', origin.url, '-o', folder / 'copy', status=1).says('Read-only file system')
        finally:
            harness.run('umount', folder)


def test_a_limit_of_sizes_leaves_nothing(origin, target, quire):
    quire('fetch', origin.url, '-o', target, status=1,
          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))).says('File too large')
    assert names_beside(target) == []


def test_a_disk_without_room_leaves_nothing(scratch, at_end, origin, quire):
    if not harness.is_root():
        pytest.skip('only root mounts a small disk')
    folder = scratch / 'small'
    folder.mkdir()
    harness.run('mount', '-t', 'tmpfs', '-o', 'size=8M', 'none', folder)
    at_end.callback(harness.run, 'umount', folder)
    del origin.seen[:]
    quire('fetch', origin.url, '-o', folder / 'copy', status=1).says('bytes, and its disk has', 'No space left')
    assert asked_bytes(origin) < 1 << 20, 'told before the work'
    assert os.listdir(folder) == []


@pytest.mark.parametrize('kind', ['tmpfs', 'vfat', 'ext4'])
def test_on_other_file_systems(scratch, at_end, origin, quire, kind):
    """tmpfs has no O_DIRECT before Linux 6.6, vfat neither unnamed files nor a way to take space, and no locks on names."""
    if not harness.is_root():
        pytest.skip('only root mounts file systems')
    folder = scratch / 'disk'
    folder.mkdir()
    if kind == 'tmpfs':
        harness.run('mount', '-t', 'tmpfs', '-o', 'size=64M', 'none', folder)
    else:
        image = scratch / 'image'
        with open(image, 'wb') as file:
            file.truncate(64 << 20)
        if not shutil.which(f'mkfs.{kind}'):
            pytest.skip(f'there is no mkfs.{kind}')
        harness.run(f'mkfs.{kind}', image)
        if harness.run('mount', '-o', 'loop', image, folder, status=None).returncode != 0:
            pytest.skip(f'no loop device, or no {kind}')
    at_end.callback(harness.run, 'umount', folder)
    target = folder / 'copy.quire'
    fetching = begin(at_end, origin, target)
    await_recorded(target, origin.path, 2)
    fetching.kill()
    fetching.wait()
    quire('fetch', origin.url, '-o', target).says('were fetched before')
    assert target.read_bytes() == origin.path.read_bytes()
    quire('fetch', origin.url, '-o', target, '-f')
    assert [name for name in os.listdir(folder) if name != 'lost+found'] == [target.name]


def test_a_long_name(origin, target, quire):
    long = target.parent / ('n' * 255)
    quire('fetch', origin.url, '-o', long)
    assert_made(long, origin.path)


def test_many_ranges_are_in_flight(origin, target, quire):
    """A server that answers nothing, from the fifth request on, before four more are there: a request has 2 MiB at most."""
    together, waiting, answer = threading.Event(), [], origin.answer

    def answer_together(request):
        if len(origin.seen) >= 4:
            waiting.append(request)
            if len(waiting) >= 4:
                together.set()
            together.wait(20)
        answer(request)

    origin.answer = answer_together
    quire('fetch', origin.url, '-o', target)
    assert_made(target, origin.path)
    assert together.is_set()


def test_wrong_usage(origin, target, quire):
    for wrong in (('-o', target, '--tier', target.parent), (), ('-o', '-'), ('-o', target, '--limit', 'x'), ('-o', target, '--limit', '5'), ('-o', target, '--jobs', '0'),
                  ('-o', target, '--tier-size', '1G'), ('-o', ''), ('--tier', target.parent, '-f')):
        quire('fetch', origin.url, *wrong, status=2)
    assert names_beside(target) == []


def test_progress_is_told(origin, target, quire):
    quire('fetch', origin.url, '-o', target, '--progress', 'always').says('fetching', 'fetched  ')
    target.unlink()
    assert quire('fetch', origin.url, '-o', target, '-q').said == ''


def test_the_copy_is_mounted(scratch, origin, target, quire, mount):
    quire('fetch', origin.url, '-o', target)
    mounted = mount(target)
    harness.assert_same_tree(scratch / 'tree', mounted.folder)
