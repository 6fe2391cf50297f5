#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a tier keeps what was read of packs far away, for all mounts that name it; it is never larger than it may be, and whatever
happens to it or to its users, nobody reads a wrong byte."""
import concurrent.futures
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import random
import shutil
import struct
import threading
import time

import harness
import pytest
import tiers
import web
from tiers import HEADER, PAGE, RECORD, SAMPLES, UNIT, assert_all_right, await_all_kept, await_kept, taken_of
from web import SAMPLE_BYTES, Misbehaving, Nginx

make_served, make_origin = tiers.make_served, web.make_origin


def told_by(quire, tier):
    return json.loads(quire('tier', 'ls', tier, '--json').out)


def test_a_second_mount_reads_what_the_first_one_read(scratch, origin, mount, quire):
    tier = scratch / 'tier'
    first = mount(origin.url, f'tier={tier}')
    assert_all_right(first, scratch / 'tree')
    await_all_kept(first, origin.path)
    first.unmount()
    listed = told_by(quire, tier)
    assert [volume['source'] for volume in listed['volumes']] == [origin.url]
    assert not listed['volumes'][0]['is_used']
    assert taken_of(tier) <= listed['taken_bytes']
    del origin.seen[:]
    second = mount(origin.url, f'tier={tier}')
    assert_all_right(second, scratch / 'tree', seed=1)
    # The state of the object is asked for, which brings its first bytes; all else is there, the index as well.
    assert len(origin.seen) == 1, origin.seen
    assert second.stats()['tier']['read_bytes'] >= SAMPLES * SAMPLE_BYTES
    assert told_by(quire, tier)['volumes'][0]['is_used']
    quire('tier', 'rm', tier, origin.url, status=1).says('is mounted')


def test_files_on_slow_disks_are_kept_too(scratch, served, mount):
    tier = scratch / 'tier'
    for _ in range(2):
        mounted = mount(served / 'tree.quire', f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree')
        await_kept(mounted, 0)
        stats = mounted.stats()['tier']
        mounted.unmount()
    assert stats['read_bytes'] >= SAMPLES * SAMPLE_BYTES
    assert stats['kept_bytes'] == 0
    # The pack's own sum tells its state, not its time.
    os.utime(served / 'tree.quire', (1, 1))
    mounted = mount(served / 'tree.quire', f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert mounted.stats()['tier']['read_bytes'] >= SAMPLES * SAMPLE_BYTES


def test_an_archive_without_sums_is_kept_with_the_tiers_own(scratch, served, mount):
    tier, archive = scratch / 'tier', served / 'tree.tar'
    harness.run('tar', '-C', scratch / 'tree', '-cf', archive, '.')
    mounted = mount(archive, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_all_kept(mounted, archive)
    mounted.unmount()
    damage(tier, random.Random(3))
    mounted = mount(archive, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert mounted.stats()['tier']['wrong_bytes'] > 0


def damage(tier, contents):
    """Some bytes in each page of each volume, and whole units as a crash leaves them."""
    for data in tier.glob('volumes/*/data'):
        with open(data, 'r+b') as file:
            for page in range(data.stat().st_size // PAGE + 1):
                at = page * PAGE + contents.randrange(PAGE)
                if at < data.stat().st_size:
                    os.pwrite(file.fileno(), contents.randbytes(7), at)
                unit = page * PAGE + contents.randrange(PAGE // UNIT) * UNIT
                if unit + UNIT <= data.stat().st_size:
                    os.pwrite(file.fileno(), bytes(UNIT), unit)


def test_what_is_damaged_is_fetched_again(scratch, origin, mount, quire):
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_all_kept(mounted, origin.path)
    mounted.unmount()
    damage(tier, random.Random(1))
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert mounted.stats()['tier']['wrong_bytes'] > 0
    await_kept(mounted)
    mounted.unmount()
    damage(tier, random.Random(2))
    quire('tier', 'verify', tier, status=1).says('were not what had been kept')
    quire('tier', 'verify', tier).says('0 B were dropped')


def test_wrong_bytes_of_the_origin_do_not_stay(scratch, origin, mount):
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}', 'push=off')
    origin.faults = [('wrong bytes', 3)]
    assert_all_right(mounted, scratch / 'tree')
    await_kept(mounted)
    mounted.unmount()
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')


def test_wrong_blocks_of_the_index_do_not_stay(scratch, origin, mount):
    tier = scratch / 'tier'
    origin.faults = [('', 1), ('wrong bytes', 1)]
    mounted = mount(origin.url, f'tier={tier}')
    assert origin.done == ['wrong bytes']
    assert_all_right(mounted, scratch / 'tree')
    mounted.unmount()
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')


def test_a_map_that_is_damaged_is_no_map(scratch, origin, mount, quire):
    tier = scratch / 'tier'
    contents = random.Random(5)
    for spoil in ('truncate', 'header', 'records', 'link', 'no data', 'ledger'):
        mounted = mount(origin.url, f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree')
        mounted.unmount()
        folder = next(tier.glob('volumes/*'))
        if spoil == 'truncate':
            os.truncate(folder / 'map', 5000)
        elif spoil == 'header':
            harness.flip(folder / 'map', 30)
        elif spoil == 'records':
            with open(folder / 'map', 'r+b') as file:
                for page in range(6):
                    os.pwrite(file.fileno(), contents.randbytes(RECORD), HEADER + page * RECORD)
        elif spoil == 'link':
            (folder / 'data').unlink()
            (folder / 'data').symlink_to('/etc/passwd')
        elif spoil == 'no data':
            os.truncate(folder / 'data', 0)
        else:
            (tier / 'quire-tier').write_bytes(contents.randbytes(4096))
        before = open('/etc/passwd', 'rb').read()
        mounted = mount(origin.url, f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree')
        mounted.unmount()
        assert open('/etc/passwd', 'rb').read() == before
        quire('tier', 'prune', tier, '--size', '0')
        assert told_by(quire, tier)['volumes'] == [], spoil


def test_it_is_never_larger_than_it_may_be(scratch, served, mount, pack, quire):
    tier, limit = scratch / 'tier', 8 << 20
    other = scratch / 'other'
    shutil.copytree(scratch / 'tree', other)
    pack(other, served / 'other.quire')
    largest = 0
    for number, name in enumerate(('tree', 'other', 'tree')):
        mounted = mount(served / f'{name}.quire', f'tier={tier}', f'tier_size={limit}', 'direct_io')
        for epoch in range(2):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                reading = pool.submit(assert_all_right, mounted, scratch / name, number * 2 + epoch)
                while not reading.done():
                    largest = max(largest, taken_of(tier))
                    time.sleep(0.005)
                reading.result()
        assert mounted.stats()['tier']['most_bytes'] == limit
        mounted.unmount()
    assert limit / 2 < largest <= limit
    assert told_by(quire, tier)['taken_bytes'] <= limit
    quire('tier', 'prune', tier, '--size', '3M')
    assert taken_of(tier) <= 3 << 20
    quire('tier', 'rm', tier, '--all')
    assert told_by(quire, tier)['volumes'] == []


def test_what_cannot_have_room_makes_nothing_go(scratch, served, quire):
    """A tier_size without its unit, or a server that tells of a size which is none."""
    tier, other = scratch / 'tier', scratch / 'other.quire'
    shutil.copy(served / 'tree.quire', other)
    quire('fetch', served / 'tree.quire', '--tier', tier)
    before = told_by(quire, tier)['taken_bytes']
    quire('fetch', other, '--tier', tier, '--tier-size', '500', status=1).says('more than tier_size leaves')
    assert told_by(quire, tier)['taken_bytes'] == before


def held_bytes(mounts):
    """What the files take that daemons have open, which may have no name."""
    found = {}
    for mounted in mounts:
        for descriptor in pathlib.Path(f'/proc/{mounted.daemon()}/fd').iterdir():
            with contextlib.suppress(OSError):
                if '/tier/' in os.readlink(descriptor):
                    found[os.stat(descriptor).st_ino] = os.stat(descriptor).st_blocks * 512
    return sum(found.values())


@pytest.mark.parametrize('removed', ['volumes', '.'])
def test_a_tier_that_is_removed_in_use_holds_nothing_any_more(scratch, origin, mount, quire, removed):
    tier, limit = scratch / 'tier', 8 << 20
    options = (f'tier={tier}', f'tier_size={limit}', 'push=off', 'direct_io', 'cache_size=8M')
    mounts = [mount(origin.url, *options, folder=scratch / f'mnt{number}') for number in range(2)]
    for mounted in mounts:
        assert_all_right(mounted, scratch / 'tree')
    shutil.rmtree(tier / removed)
    tier.mkdir(mode=0o700, exist_ok=True)
    mounts.append(mount(origin.url, *options, folder=scratch / 'mnt2'))
    seeds = itertools.count()

    def is_given_back():
        seed = next(seeds)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(assert_all_right, mounted, scratch / 'tree', seed) for mounted in mounts]:
                done.result()
        return held_bytes(mounts) <= limit

    # A mount notices when it next marks a page as used: half a second after it did so last.
    harness.until(20, is_given_back, lambda: f'held: {held_bytes(mounts)}')
    assert is_given_back()
    quire('tier', 'prune', tier)
    assert taken_of(tier) <= told_by(quire, tier)['taken_bytes'] <= limit


def test_four_mounts_fetch_each_page_once(scratch, origin, mount):
    tier, size = scratch / 'tier', origin.path.stat().st_size
    mounts = [mount(origin.url, f'tier={tier}', folder=scratch / f'mnt{number}') for number in range(4)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(assert_all_right, mounted, scratch / 'tree', number) for number, mounted in enumerate(mounts)]:
            done.result()
    opening = 4 * 8192
    fetched = sum(last + 1 - first for (first, last), _ in origin.seen) - opening
    told = [mounted.stats()['tier'] for mounted in mounts]
    assert fetched <= size * 1.02, (fetched / size, told)


def test_all_of_a_pack_is_brought_before_it_is_asked_for(scratch, origin, mount):
    tier, size = scratch / 'tier', origin.path.stat().st_size
    mounted = mount(origin.url, f'tier={tier}', 'prefetch=all')
    await_all_kept(mounted, origin.path)
    stats = mounted.stats()
    assert stats['counters']['volume_reads'] == 0
    assert stats['tier']['fetched_bytes'] >= size - (1 << 20)
    asked = len(origin.seen)
    assert_all_right(mounted, scratch / 'tree')
    assert len(origin.seen) == asked
    assert mounted.stats()['tier']['read_bytes'] >= SAMPLES * SAMPLE_BYTES


def test_what_is_brought_makes_nothing_go(scratch, origin, mount):
    tier, limit = scratch / 'tier', 6 << 20
    mounted = mount(origin.url, f'tier={tier}', f'tier_size={limit}', 'prefetch=all')
    await_kept(mounted, 2 << 20)
    harness.until(20, lambda: mounted.stats()['tier']['taken_bytes'] > limit - 2 * PAGE, 'the tier is full')
    assert_all_right(mounted, scratch / 'tree')
    assert taken_of(tier) <= limit


def test_a_plan_is_fetched_ahead_and_nothing_else(scratch, origin, mount):
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}', 'push=off', 'readahead=off')
    names = sorted(os.listdir(scratch / 'tree'))[:60]  # pages 0 to 2
    (mounted / '.quire/plan').write_text(''.join(f'{name}\n' for name in names))
    harness.until(20, lambda: mounted.stats()['tier']['fetched_bytes'] + mounted.stats()['tier']['kept_bytes'] >= 2 * PAGE,
                  lambda: f'fetched: {mounted.stats()["tier"]}')
    time.sleep(0.5)
    assert mounted.stats()['tier']['kept_bytes'] <= 4 * PAGE
    assert_all_right(mounted, scratch / 'tree')


def test_what_a_plan_needs_last_goes_first(scratch, at_end, mount, pack):
    tree, packed, size = scratch / 'large', scratch / 'large.quire', 2_000_000
    tree.mkdir()
    contents, names = random.Random(5), [f'{number:02}' for number in range(24)]  # a page each
    for name in names:
        (tree / name).write_bytes(contents.randbytes(size))
    pack(tree, packed)
    origin, order = Misbehaving(at_end, packed), 5 * names
    fetched = {}
    for is_told in (False, True):
        tier = scratch / f'tier-{is_told}'
        mounted = mount(origin.url, f'tier={tier}', 'tier_size=20M', 'prefetch=off', 'cache_size=8M', 'policy=lru', folder=scratch / f'mnt-{is_told}')
        origin.seen.clear()
        if is_told:
            mounted.plan_path.write_text(''.join(f'{name}\n' for name in order))
            harness.until(10, lambda: mounted.stats()['plan']['told'] == len(order), lambda: mounted.stats()['plan'])
        for name in order:
            descriptor = os.open(mounted / name, os.O_RDONLY)
            assert os.read(descriptor, size) == (tree / name).read_bytes()
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # else the kernel would answer the next one
            os.close(descriptor)
        assert taken_of(tier) <= 20 << 20
        fetched[is_told] = sum(last + 1 - first for (first, last), _ in origin.seen) / len(order) / size
        mounted.unmount()
    # Of pages in turn the least recently used is the one that comes next. Measured: 0.82 of what is read is fetched, and 0.69
    # by who knows that.
    assert fetched[True] < 0.93 * fetched[False], fetched


def test_no_more_than_the_limit_is_fetched(scratch, origin, mount):
    mounted = mount(origin.url, f'tier={scratch}/tier', 'prefetch=all', 'limit=1M')
    time.sleep(2)
    # Four pages are begun at once by as many threads; a page is two seconds.
    assert mounted.stats()['tier']['fetched_bytes'] <= 3 * PAGE


def test_a_page_is_kept_without_what_its_fill_did_not_read(scratch, at_end, mount, pack, quire):
    """The last page of samples is the first one of the index, which a fill passes over; and what a reader has is left out of a fill."""
    tier, tree = scratch / 'tier', scratch / 'long'
    tree.mkdir()
    contents = random.Random(3)
    for number in range(30):
        (tree / f'{number:03}').write_bytes(contents.randbytes(SAMPLE_BYTES))
    for number in range(3000):
        (tree / f'nothing {number}').touch()
    pack(tree, scratch / 'long.quire')
    origin = Misbehaving(at_end, scratch / 'long.quire')
    mounted = mount(origin.url, f'tier={tier}', 'push=off', 'readahead=off')
    list(mounted.path.iterdir())
    quire('tier', 'prune', tier, '--size', '0')
    assert_all_right(mounted, tree)
    await_kept(mounted, 20 * SAMPLE_BYTES)
    time.sleep(0.5)
    mounted.unmount()
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, tree)
    quire('tier', 'verify', tier).says('0 B were dropped')
    mounted.unmount()
    kept = next(tier.glob('volumes/*/data')).read_bytes()
    packed = origin.path.read_bytes()
    for page, record in enumerate(records_of(tier)):
        present = int.from_bytes(record[:16], 'little')
        for unit in range(PAGE // UNIT):
            if present >> unit & 1:
                at = page * PAGE + unit * UNIT
                assert kept[at:at + UNIT][:len(packed) - at] == packed[at:at + UNIT], (page, unit)


def test_fetch_brings_all_of_a_pack(scratch, origin, mount, quire):
    tier, size = scratch / 'tier', origin.path.stat().st_size
    quire('fetch', origin.url, '--tier', tier, '--tier-size', '4M', status=1).says('is full')
    assert taken_of(tier) <= 4 << 20
    fetched = json.loads(quire('fetch', origin.url, '--tier', tier, '--json').out)['fetched_bytes']
    assert 0 < fetched < size, 'what is there is not fetched again'
    assert json.loads(quire('fetch', origin.url, '--tier', tier, '--json').out)['fetched_bytes'] == 0
    quire('tier', 'verify', tier).says('0 B were dropped')
    del origin.seen[:]
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert len(origin.seen) == 1
    for wrong in (('--tier-size', 'x'), ('--limit', '0'), ('--jobs', '65')):
        quire('fetch', origin.url, '--tier', tier, *wrong, status=2)


def test_fetch_goes_on_where_it_was_killed(scratch, at_end, origin, quire):
    tier, size = scratch / 'tier', origin.path.stat().st_size
    for seconds in (0.05, 0.1, 0.2, 0.4):
        fetching = harness.start(at_end, harness.QUIRE, 'fetch', origin.url, '--tier', tier, '--jobs', '2', '--limit', '20M')
        time.sleep(seconds)
        fetching.kill()
        fetching.wait()
    brought = sum(volume['present_bytes'] for volume in told_by(quire, tier)['volumes'])
    assert json.loads(quire('fetch', origin.url, '--tier', tier, '--json').out)['fetched_bytes'] >= size - brought - UNIT
    assert sum(volume['present_bytes'] for volume in told_by(quire, tier)['volumes']) >= size
    quire('tier', 'verify', tier)


def test_several_fetch_and_read_one_pack_at_once(scratch, at_end, origin, mount):
    tier, size = scratch / 'tier', origin.path.stat().st_size
    mounted = mount(origin.url, f'tier={tier}')
    del origin.seen[:]
    fetching = [harness.start(at_end, harness.QUIRE, 'fetch', origin.url, '--tier', tier, '--jobs', '3') for _ in range(3)]
    assert_all_right(mounted, scratch / 'tree')
    assert [process.wait() for process in fetching] == [0, 0, 0]
    fetched = sum(last + 1 - first for (first, last), _ in origin.seen)
    assert fetched <= size * 1.1, fetched / size  # the index is read by each before it is kept


def test_fetch_tells_what_cannot_be_read(scratch, origin, quire):
    origin.faults = [('', 3), ('404', 1000)]
    quire('fetch', origin.url, '--tier', scratch / 'tier', status=1).says('what was fetched before is kept')
    quire('fetch', f'{origin.url}x', '--tier', scratch / 'tier', status=1).says('no such object')


@contextlib.contextmanager
def held_lock(tier):
    """As by a process that is stopped in the middle of a change."""
    with open(tier / 'quire-tier', 'r+b') as file:
        def take():
            fcntl.fcntl(file, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))  # F_OFD_SETLK
            return True
        harness.until(10, take, 'the lock is free')
        yield


def test_readers_do_not_wait_for_who_holds_the_lock(scratch, origin, mount):
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}', 'push=off')
    with held_lock(tier):
        assert_all_right(mounted, scratch / 'tree')
        assert mounted.stats()['tier']['faults'] > 0


class Gated(Misbehaving):
    """Answers wait until `gate` is set."""
    def __init__(self, at_end, path):
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(at_end, path)

    def answer(self, request):
        self.gate.wait(60)
        super().answer(request)


def is_claimed(record):
    return record[16:32] != bytes(16)


def read_with_claims(origin, mounted, tier, tree, names):
    """Begins to read files, whose pages are claimed when this returns and come when origin.gate is set."""
    origin.gate.clear()
    pool = concurrent.futures.ThreadPoolExecutor(len(names))
    readings = [pool.submit(lambda name=name: (mounted / name).read_bytes() == (tree / name).read_bytes()) for name in names]
    harness.until(10, lambda: any(map(is_claimed, records_of(tier))), 'pages are claimed')
    return readings


def test_unmounting_does_not_wait_for_who_holds_the_lock(scratch, at_end, served, mount):
    tier, origin = scratch / 'tier', Gated(at_end, served / 'tree.quire')
    mounted = mount(origin.url, f'tier={tier}', 'push=off', 'readahead=off', 'prefetch=off')
    readings = read_with_claims(origin, mounted, tier, scratch / 'tree', [f'{number:03}' for number in range(0, SAMPLES, 10)])
    with held_lock(tier):
        origin.gate.set()
        began = time.monotonic()
        assert all(reading.result() for reading in readings)
        assert time.monotonic() - began < 5, 'readers wait for their own process, which waits for the lock'
        began = time.monotonic()
        mounted.unmount()
        assert time.monotonic() - began < 5


def test_claims_that_could_not_be_given_back_are_given_back_later(scratch, at_end, served, mount, quire):
    tier, origin = scratch / 'tier', Gated(at_end, served / 'tree.quire')
    mounted = mount(origin.url, f'tier={tier}', 'push=off', 'readahead=off', 'prefetch=off')
    reading, = read_with_claims(origin, mounted, tier, scratch / 'tree', ['003'])
    with held_lock(tier):
        origin.gate.set()
        assert reading.result()
        time.sleep(42)  # 20 seconds to keep the page, and as many to give it up
    harness.until(10, lambda: not any(map(is_claimed, records_of(tier))), 'the claims are given back')
    quire('tier', 'prune', tier, '--size', '0')
    assert taken_of(tier) <= told_by(quire, tier)['taken_bytes'] < 100_000


def test_a_full_disk_is_a_line_in_the_log(scratch, origin, mount):
    if not harness.is_root():
        pytest.skip('mounting a small disk needs root')
    disk = scratch / 'disk'
    disk.mkdir()
    harness.run('mount', '-t', 'tmpfs', '-o', 'size=5M', 'tmpfs', disk)
    try:
        log = scratch / 'log'
        mounted = mount(origin.url, f'tier={disk}/tier,tier_size=1G', f'log_file={log}')
        assert_all_right(mounted, scratch / 'tree')
        harness.until(10, lambda: 'No space left' in log.read_text(), 'the log tells of the disk')
        assert mounted.stats()['tier']['faults'] > 0
        mounted.unmount()
        mounted = mount(origin.url, f'tier={disk}/tier,tier_size=1G', f'log_file={log}')
        assert_all_right(mounted, scratch / 'tree')
        mounted.unmount()
    finally:
        harness.run('umount', disk)


def test_what_killed_daemons_leave_is_given_back(scratch, origin, mount, quire):
    tier, limit = scratch / 'tier', 6 << 20
    chance = random.Random(7)
    for round_number in range(int(os.environ.get('QUIRE_TIER_KILLS', '25'))):
        folders = [scratch / f'mnt{number}' for number in range(2)]
        mounts = [mount(origin.url, f'tier={tier}', f'tier_size={limit}', 'direct_io', folder=folder) for folder in folders]
        victim = mounts[0].daemon()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            def read(mounted):
                for name in chance.sample(sorted(os.listdir(scratch / 'tree')), SAMPLES):
                    try:
                        data = (mounted / name).read_bytes()
                    except OSError:
                        return  # killed
                    assert data == (scratch / 'tree' / name).read_bytes(), name
            readings = [pool.submit(read, mounted) for mounted in mounts]
            time.sleep(chance.random() * 0.2)
            os.kill(victim, 9)
            for reading in readings:
                reading.result()
        assert taken_of(tier) <= limit, round_number
        for mounted in mounts:
            harness.take_down(mounted.folder)
        harness.until(10, lambda: not harness.find_processes(f'quire mount .*{scratch}/mnt'), 'the daemons end')
    quire('tier', 'verify', tier)
    quire('tier', 'prune', tier)
    assert taken_of(tier) <= told_by(quire, tier)['taken_bytes']
    for record in records_of(tier):
        assert record[16:32] == bytes(16), 'units that a dead process has claimed'
    quire('tier', 'prune', tier, '--size', '0')
    assert taken_of(tier) <= HEADER


def test_what_a_dead_process_claimed_is_given_back_once(scratch, origin, mount):
    """It died while it changed the tier: who counts anew gives back its claims, and may not do so again for the page that it wanted."""
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}', 'tier_size=6M', 'direct_io', 'cache_size=8M')
    [volume_map] = tier.glob('volumes/*/map')
    with open(volume_map, 'r+b') as records, open(tier / 'quire-tier', 'r+b') as ledger:
        own_bytes = struct.unpack_from('<Q', ledger.read(24), 16)[0]
        for page in range(1, 3):
            assert os.pread(records.fileno(), 32, HEADER + page * RECORD) == bytes(32), 'nobody has read it'
            os.pwrite(records.fileno(), bytes(16) + b'\xff' * 16 + struct.pack('<QI', 1, 77), HEADER + page * RECORD)
        os.pwrite(ledger.fileno(), struct.pack('<IQ', 1, own_bytes + 2 * PAGE), 12)
    assert_all_right(mounted, scratch / 'tree')
    await_kept(mounted, 3 << 20)
    mounted.unmount()
    taken = struct.unpack_from('<Q', (tier / 'quire-tier').read_bytes(), 16)[0]
    units = sum(int.from_bytes(record[:32], 'little').bit_count() for record in records_of(tier))
    assert taken == 4096 + volume_map.stat().st_size + units * UNIT
    assert taken_of(tier) <= taken <= 6 << 20


def records_of(tier):
    for volume in tier.glob('volumes/*/map'):
        data = volume.read_bytes()
        pages = struct.unpack_from('<Q', data, 32)[0] // PAGE + 1
        for page in range(pages):
            yield data[HEADER + page * RECORD:HEADER + (page + 1) * RECORD]


def test_data_that_outlived_its_map_is_given_back_after_a_crash(scratch, origin, mount, quire):
    tier = scratch / 'tier'
    mounted = mount(origin.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_all_kept(mounted, origin.path)
    mounted.unmount()
    # As after a loss of power that the map's last records did not survive.
    with open(next(tier.glob('volumes/*/map')), 'r+b') as file:
        for page in range(5):
            os.pwrite(file.fileno(), bytes(RECORD), HEADER + page * RECORD)
    with open(tier / 'quire-tier', 'r+b') as file:
        os.pwrite(file.fileno(), b'another boot', 24)
    quire('tier', 'prune', tier)
    assert taken_of(tier) <= told_by(quire, tier)['taken_bytes'] < 5 << 20


def test_an_object_that_changes_is_another_volume(scratch, at_end, served, mount, pack, quire):
    tier = scratch / 'tier'
    url = Nginx(at_end, scratch, served).url + '/tree.quire'
    mounted = mount(url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    mounted.unmount()
    for name in os.listdir(scratch / 'tree'):
        (scratch / 'tree' / name).write_bytes(os.urandom(SAMPLE_BYTES))
    pack(scratch / 'tree', served / 'new.quire')
    # nginx makes its tags of size and time: these are the same.
    os.utime(served / 'new.quire', ns=2 * ((served / 'tree.quire').stat().st_mtime_ns,))
    assert (served / 'new.quire').stat().st_size == (served / 'tree.quire').stat().st_size
    os.replace(served / 'new.quire', served / 'tree.quire')
    mounted = mount(url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert len(told_by(quire, tier)['volumes']) == 2


@pytest.mark.parametrize('make, told', [
    (lambda folder: folder.mkdir() or folder.chmod(0o777), 'everybody may write'),
    (lambda folder: folder.mkdir() or (folder / 'photo').touch(), 'holds other things'),
    (lambda folder: (folder / 'volumes/mine').mkdir(parents=True), 'holds other things .*volumes/mine'),
    (lambda folder: folder.write_text(''), 'Not a directory'),
    (lambda folder: folder.symlink_to('/nowhere/at/all'), 'No such file'),
])
def test_what_is_no_tier_is_refused(scratch, served, quire, make, told):
    make(scratch / 'tier')
    (scratch / 'mnt').mkdir()
    quire('mount', served / 'tree.quire', scratch / 'mnt', '-o', f'tier={scratch}/tier', status=None).says(told)
    assert not harness.is_mounted(scratch / 'mnt')
    quire('tier', 'ls', scratch / 'mnt', status=2).says('is no tier')


def test_what_others_put_into_a_tier_stays(scratch, served, mount, quire):
    tier = scratch / 'tier'
    mount(served / 'tree.quire', f'tier={tier}').unmount()
    (tier / 'volumes/empty').mkdir()
    (tier / 'volumes/mine').mkdir()
    (tier / 'volumes/mine/data').write_text('precious')
    mounted = mount(served / 'tree.quire', f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    quire('tier', 'prune', tier, '--size', '0')
    mounted.unmount()
    quire('tier', 'rm', tier, '--all')
    assert (tier / 'volumes/mine/data').read_text() == 'precious' and (tier / 'volumes/empty').is_dir()


def test_who_has_no_descriptors_counts_nothing_wrong(scratch, served, mount, quire):
    tier = scratch / 'tier'
    mounted = mount(served / 'tree.quire', f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_all_kept(mounted, served / 'tree.quire')
    mounted.unmount()
    before = told_by(quire, tier)
    for limit in range(4, 16):
        harness.run('bash', '-c', 'ulimit -n "$1"; exec "$2" tier prune "$3"', 'bash', str(limit), harness.QUIRE, tier, status=None)
        assert told_by(quire, tier)['taken_bytes'] == before['taken_bytes'], limit
        assert len(told_by(quire, tier)['volumes']) == 1, limit


def test_a_tier_is_its_users_or_its_groups(scratch, served, mount, quire, ordinary_user):
    tier = scratch / 'tier'
    mount(served / 'tree.quire', f'tier={tier}').unmount()
    look = (harness.QUIRE, 'tier', 'ls', tier)
    if harness.is_root():
        scratch.chmod(0o755)
        ordinary_user.run(ordinary_user.quire, *look[1:], status=2).says('another user')
        shutil.rmtree(tier)
        tier.mkdir()
        harness.run('chgrp', ordinary_user.name, tier)
        tier.chmod(0o2770)
        mounted = mount(served / 'tree.quire', f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree')
        await_kept(mounted)
        ordinary_user.run(ordinary_user.quire, *look[1:]).says('tree.quire')
        ordinary_user.run(ordinary_user.quire, 'tier', 'verify', tier).says('0 B were dropped')
        mounted.unmount()
        ordinary_user.run(ordinary_user.quire, 'tier', 'rm', tier, '--all')
    assert taken_of(tier) <= HEADER or not harness.is_root()
