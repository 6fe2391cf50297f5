#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a tier keeps what a pack had when the pack grows: mounts of later generations, and mounts that follow, fetch what is new and
little more; and whatever grew, is damaged or is packed anew, nobody reads a wrong byte."""
import json
import os
import random
import shutil
import struct

import harness
import pytest
import tiers
from random_tree import RandomTree, change_as_owner
from tiers import HEADER, PAGE, RECORD, SAMPLES, UNIT, assert_all_right, await_kept
from web import SAMPLE_BYTES, Nginx

make_served = tiers.make_served

SLOTS = 8192  # of superblocks: a commit changes them, and nobody reads them from a tier
NEW_SAMPLES = 40
NEW_BYTES = NEW_SAMPLES * SAMPLE_BYTES
# Beside what is new: the page in which the pack ended before, whose bytes are all of one state from now on, and the rest of the last one.
BORDER_BYTES = 2 * PAGE


@pytest.fixture(name='packed')
def make_packed(served):
    return served / 'tree.quire'


def grow(scratch, packed, seed, count=NEW_SAMPLES):
    """Appends samples, also to the folder that tells what is right."""
    source = scratch / f'source{seed}'
    source.mkdir()
    contents = random.Random(seed)
    for number in range(count):
        (source / f'new{seed}-{number:03}').write_bytes(contents.randbytes(SAMPLE_BYTES))
    harness.quire('append', '--progress', 'never', packed, source)
    harness.run('cp', '-a', f'{source}/.', scratch / 'tree')


def add_link(scratch, packed, name):
    """A generation without pages."""
    source = scratch / f'link-{name}'
    source.mkdir()
    (source / name).symlink_to('000')
    harness.quire('append', '--progress', 'never', packed, source)
    harness.run('cp', '-a', f'{source}/.', scratch / 'tree')


def disk_bytes(mounted):
    return mounted.stats()['sources']['disk_bytes']


def await_generation(mounted, number):
    __tracebackhide__ = True
    harness.until(20, lambda: mounted.stats()['generation'] == number, f'generation {number}')


def listed(quire, tier):
    return json.loads(quire('tier', 'ls', tier, '--json').out)['volumes']


def assert_kept_is_right(tier, packed):
    """Each unit that a map tells of has the bytes of the pack; those behind the end of its part are nobody's."""
    data, units = packed.read_bytes(), 0
    for folder in tier.glob('volumes/*'):
        records, kept = (folder / 'map').read_bytes(), (folder / 'data').read_bytes()
        end, = struct.unpack_from('<Q', records, 32)
        first, = struct.unpack_from('<Q', records, 3136)
        for page in range(first, -(-end // PAGE)):
            present = int.from_bytes(records[HEADER + (page - first) * RECORD:][:16], 'little')
            for unit in range(PAGE // UNIT):
                at = page * PAGE + unit * UNIT
                if present >> unit & 1:
                    units += 1
                    assert kept[max(at, SLOTS):min(at + UNIT, end)] == data[max(at, SLOTS):min(at + UNIT, end)], (folder, page, unit)
    assert units > 0


def keep_all(mount, scratch, packed, tier):
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_kept(mounted, SAMPLES * SAMPLE_BYTES)
    mounted.unmount()


def test_a_mount_of_a_pack_that_grew_fetches_what_is_new(scratch, packed, mount, quire):
    tier = scratch / 'tier'
    keep_all(mount, scratch, packed, tier)
    grow(scratch, packed, 2)
    second = mount(packed, f'tier={tier}')
    assert_all_right(second, scratch / 'tree', 1)
    await_kept(second, NEW_BYTES)
    stats = second.stats()
    assert stats['tier']['read_bytes'] >= SAMPLES * SAMPLE_BYTES - PAGE
    assert NEW_BYTES <= disk_bytes(second) <= NEW_BYTES + BORDER_BYTES, stats
    second.unmount()
    third = mount(packed, f'tier={tier}')
    assert_all_right(third, scratch / 'tree', 2)
    assert disk_bytes(third) == 0 and third.stats()['tier']['kept_bytes'] == 0
    third.unmount()
    assert_kept_is_right(tier, packed)
    parts = listed(quire, tier)
    assert [part['source'] for part in parts] == [str(packed)] * 2
    assert [part['first_byte'] > 0 for part in parts] == [False, True]
    assert quire('tier', 'ls', tier).says(r'tree\.quire\n', r'tree\.quire, from 10\.0 MiB on\n')
    quire('tier', 'rm', tier, packed)
    assert listed(quire, tier) == []


def test_what_a_mount_follows_is_kept(scratch, packed, mount):
    tier = scratch / 'tier'
    followed = mount(packed, 'follow', f'tier={tier}')
    assert_all_right(followed, scratch / 'tree')
    await_kept(followed, SAMPLES * SAMPLE_BYTES)
    for number in (2, 3):
        before = followed.stats()['tier']['kept_bytes']
        grow(scratch, packed, number)
        await_generation(followed, number)
        assert_all_right(followed, scratch / 'tree', number)
        await_kept(followed, before + NEW_BYTES)
    assert_kept_is_right(tier, packed)
    assert followed.stats()['tier']['faults'] == 0
    followed.unmount()
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 4)
    # A mount that follows has each page as it was when it came; a new one wants those whole in which the pack ended before.
    assert disk_bytes(mounted) <= 2 * BORDER_BYTES


def test_all_of_what_a_pack_grows_by_is_brought(scratch, packed, mount):
    tier = scratch / 'tier'
    followed = mount(packed, 'follow', f'tier={tier}', 'prefetch=all')
    await_kept(followed, SAMPLES * SAMPLE_BYTES)
    harness.until(20, lambda: followed.stats()['tier']['fetched_bytes'] >= packed.stat().st_size - UNIT, 'all is there')
    grow(scratch, packed, 2)
    harness.until(20, lambda: followed.stats()['tier']['fetched_bytes'] >= SAMPLES * SAMPLE_BYTES + NEW_BYTES, 'what is new is there')
    assert followed.stats()['counters']['volume_reads'] == 0, 'nobody has read anything'
    assert_all_right(followed, scratch / 'tree')
    assert_kept_is_right(tier, packed)


def test_generations_without_pages_keep_what_was_there(scratch, packed, mount, quire):
    tier = scratch / 'tier'
    keep_all(mount, scratch, packed, tier)
    followed = mount(packed, 'follow', f'tier={tier}')
    for number in range(2, 8):
        add_link(scratch, packed, f'link{number}')
        await_generation(followed, number)
        mounted = mount(packed, f'tier={tier}', folder=scratch / 'other')
        assert_all_right(mounted, scratch / 'tree', number)
        assert disk_bytes(mounted) <= BORDER_BYTES, number
        mounted.unmount()
    assert_all_right(followed, scratch / 'tree')
    harness.assert_same_tree(scratch / 'tree', followed.folder)
    followed.unmount()
    assert_kept_is_right(tier, packed)
    grow(scratch, packed, 8)
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 9)
    assert disk_bytes(mounted) <= NEW_BYTES + BORDER_BYTES
    # What all lies in one page is a part of the layer above it.
    assert sum(part['is_used'] for part in listed(quire, tier)) == 2


def test_mounts_of_two_generations_share_what_both_have(scratch, packed, mount):
    tier, old_tree = scratch / 'tier', scratch / 'old'
    harness.run('cp', '-a', scratch / 'tree', old_tree)
    grow(scratch, packed, 2)
    new = mount(packed, f'tier={tier}', folder=scratch / 'new')
    assert_all_right(new, scratch / 'tree')
    await_kept(new, SAMPLES * SAMPLE_BYTES + NEW_BYTES)
    old = mount(packed, 'generation=1', f'tier={tier}', folder=scratch / 'first')
    assert_all_right(old, old_tree)
    assert disk_bytes(old) <= BORDER_BYTES
    assert_all_right(new, scratch / 'tree', 1)
    harness.assert_same_tree(old_tree, old.folder)
    assert_kept_is_right(tier, packed)


def test_what_is_damaged_after_growth_is_fetched_again(scratch, packed, mount, quire):
    tier = scratch / 'tier'
    keep_all(mount, scratch, packed, tier)
    grow(scratch, packed, 2)
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_kept(mounted, NEW_BYTES)
    mounted.unmount()
    chance = random.Random(3)
    for volume in tier.glob('volumes/*'):
        first, = struct.unpack_from('<Q', (volume / 'map').read_bytes(), 3136)
        with open(volume / 'data', 'r+b') as data:
            for page in range(first, volume.joinpath('data').stat().st_size // PAGE):
                data.seek(page * PAGE + chance.randrange(PAGE - 7))
                data.write(chance.randbytes(7))
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 1)
    assert mounted.stats()['tier']['wrong_bytes'] >= 6 * UNIT
    mounted.unmount()
    quire('tier', 'verify', tier)
    assert_kept_is_right(tier, packed)


@pytest.mark.parametrize('how', ['compacted', 'packed anew'])
def test_another_pack_of_the_same_name_has_nothing_of_it(scratch, packed, mount, quire, how):
    tier = scratch / 'tier'
    grow(scratch, packed, 2)
    keep_all(mount, scratch, packed, tier)
    if how == 'compacted':
        quire('compact', '--in-place', packed)
    else:
        for number in range(SAMPLES):
            (scratch / f'tree/{number:03}').write_bytes(random.Random(1000 + number).randbytes(SAMPLE_BYTES))
        harness.pack(scratch / 'tree', packed, '--force')
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 1)
    assert disk_bytes(mounted) >= SAMPLES * SAMPLE_BYTES
    mounted.unmount()
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 2)
    assert mounted.stats()['tier']['read_bytes'] >= SAMPLES * SAMPLE_BYTES


def test_fetch_brings_what_a_pack_has_grown_by(scratch, packed, mount, quire):
    tier = scratch / 'tier'
    fetched = [json.loads(quire('fetch', packed, '--tier', tier, '--json').out)['fetched_bytes']]
    grow(scratch, packed, 2)
    fetched += [json.loads(quire('fetch', packed, '--tier', tier, '--json').out)['fetched_bytes'] for _ in range(2)]
    assert fetched[0] >= SAMPLES * SAMPLE_BYTES and NEW_BYTES <= fetched[1] <= NEW_BYTES + BORDER_BYTES and fetched[2] == 0, fetched
    mounted = mount(packed, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    assert disk_bytes(mounted) == 0


def test_a_map_of_the_pack_shows_what_all_parts_hold(scratch, packed, mount, quire):
    tier = scratch / 'tier'
    grow(scratch, packed, 2)
    grow(scratch, packed, 3)
    quire('fetch', packed, '--tier', tier)
    mounted = mount(packed, f'tier={tier}')
    for source in ((packed, '--tier', tier), (mounted.folder,)):
        told = json.loads(quire('map', *source, '--json').out)
        pages = -(-packed.stat().st_size // PAGE)
        assert told['volumes'][0]['tier']['pages'] == pages, told


def test_random_generations_are_right_through_a_small_tier(scratch, mount, quire):
    chance = random.Random(9)
    tree, packed, tier = scratch / 'tree', scratch / 'p.quire', scratch / 'tier'
    RandomTree(chance, tree, 100)
    (tree / 'large').write_bytes(chance.randbytes(5 << 20))
    harness.pack(tree, packed)
    options = (f'tier={tier}', 'tier_size=6M')
    followed = mount(packed, 'follow', *options)
    for number in range(2, 9):
        harness.assert_same_tree(tree, followed.folder)
        change_as_owner(chance, tree)
        if number % 3 == 0:
            (tree / f'large{number}').write_bytes(chance.randbytes(3 << 20))
        harness.pack(tree, packed, '--update')
        await_generation(followed, number)
        mounted = mount(packed, *options, folder=scratch / 'other')
        harness.assert_same_tree(tree, mounted.folder)
        mounted.unmount()
        assert tiers.taken_of(tier) <= 6 << 20
    harness.assert_same_tree(tree, followed.folder)
    assert followed.stats()['follow']['trouble'] is None
    quire('tier', 'verify', tier).says('0 B were dropped')
    assert_kept_is_right(tier, packed)


# --- By URL

class Served:
    """A pack that a web server has, of which another generation takes the place as a whole."""

    def __init__(self, at_end, scratch, packed):
        self.scratch, self.own, self.target = scratch, scratch / 'own.quire', packed
        self.before = 0  # of the answers, those that are forgotten
        shutil.copy(packed, self.own)
        self.second = int(os.stat(packed).st_mtime)
        self.server = Nginx(at_end, scratch, packed.parent)
        self.url = f'{self.server.url}/{packed.name}'

    def put(self):
        shutil.copy(self.own, self.target.with_suffix('.new'))
        # nginx makes its ETag of the size and of the second: another one each time.
        self.second += 1
        os.utime(self.target.with_suffix('.new'), (self.second, self.second))
        os.replace(self.target.with_suffix('.new'), self.target)

    def grow(self, seed):
        grow(self.scratch, self.own, seed)
        self.put()

    def all_answers(self):
        return [int(line.split('"')[2].split()[1]) for line in self.server.log.read_text().splitlines()]

    def forget(self):
        self.before = len(self.all_answers())

    def answers(self):
        """How many bytes each answer had since forget()."""
        return self.all_answers()[self.before:]


@pytest.fixture(name='remote')
def make_remote(at_end, scratch, packed):
    return Served(at_end, scratch, packed)


def test_a_pack_by_url_that_grew_comes_from_the_tier_but_for_what_is_new(scratch, remote, mount, quire):
    tier = scratch / 'tier'
    mounted = mount(remote.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree')
    await_kept(mounted, remote.own.stat().st_size - (1 << 20))
    mounted.unmount()
    for number in range(2, 5):
        remote.grow(number)
        remote.forget()
        mounted = mount(remote.url, f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree', number)
        harness.assert_same_tree(scratch / 'tree', mounted.folder)
        await_kept(mounted, NEW_BYTES)
        mounted.unmount()
        assert NEW_BYTES <= sum(remote.answers()) <= NEW_BYTES + BORDER_BYTES, remote.answers()
        remote.forget()
        mounted = mount(remote.url, f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree', number)
        harness.assert_same_tree(scratch / 'tree', mounted.folder)
        assert remote.answers() == [SLOTS], 'the state of the object is asked for, and nothing else'
        mounted.unmount()
    assert_kept_is_right(tier, remote.own)
    assert len(listed(quire, tier)) == 4
    told = json.loads(quire('map', remote.url, '--tier', tier, '--json').out)
    assert told['volumes'][0]['tier']['pages'] == -(-remote.own.stat().st_size // PAGE)


def test_a_pack_by_url_is_followed_into_the_tier(scratch, remote, mount):
    tier = scratch / 'tier'
    followed = mount(remote.url, 'follow', f'tier={tier}')
    assert_all_right(followed, scratch / 'tree')
    await_kept(followed, remote.own.stat().st_size - (1 << 20))
    for number in (2, 3):
        before = followed.stats()['tier']['kept_bytes']
        remote.grow(number)
        await_generation(followed, number)
        remote.forget()
        assert_all_right(followed, scratch / 'tree', number)
        await_kept(followed, before + NEW_BYTES)
        assert sum(remote.answers()) <= NEW_BYTES + PAGE, 'what was there before is asked for again'
    assert_kept_is_right(tier, remote.own)
    assert followed.stats()['tier']['faults'] == 0 and followed.stats()['follow']['trouble'] is None
    followed.unmount()
    remote.forget()
    mounted = mount(remote.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 4)
    assert sum(remote.answers()) <= 2 * BORDER_BYTES


def test_another_object_leaves_what_is_kept_as_it_is(scratch, remote, mount, quire):
    """One that does not go on is looked at, and nothing of it gets into the maps of the pack that is mounted."""
    tier, tree = scratch / 'tier', scratch / 'other'
    followed = mount(remote.url, 'follow', f'tier={tier}')
    assert_all_right(followed, scratch / 'tree')
    await_kept(followed, remote.own.stat().st_size - (1 << 20))
    tree.mkdir()
    for number in range(SAMPLES):
        (tree / f'{number:03}').write_bytes(random.Random(1000 + number).randbytes(SAMPLE_BYTES))
    before = scratch / 'before.quire'
    shutil.copy(remote.own, before)
    harness.pack(tree, remote.own, '--force')
    remote.put()
    harness.until(40, lambda: 'does not go on' in (followed.stats()['follow']['trouble'] or ''), 'the trouble')
    assert_kept_is_right(tier, before)
    other = mount(remote.url, f'tier={tier}', folder=scratch / 'mnt2')
    assert_all_right(other, tree)
    assert_all_right(followed, scratch / 'tree', 1)
    followed.unmount()
    other.unmount()
    shutil.copy(before, remote.own)
    remote.put()
    remote.forget()
    mounted = mount(remote.url, f'tier={tier}')
    assert_all_right(mounted, scratch / 'tree', 2)
    assert remote.answers() == [SLOTS]
    mounted.unmount()
    quire('tier', 'verify', tier).says('0 B were dropped')


def test_a_part_that_is_gone_is_fetched_again(scratch, remote, mount):
    tier = scratch / 'tier'
    for number in (2, 3):
        remote.grow(number)
    mounted = mount(remote.url, f'tier={tier}', 'prefetch=all')
    harness.until(20, lambda: mounted.stats()['tier']['kept_bytes'] >= remote.own.stat().st_size - UNIT, lambda: mounted.stats()['tier'])
    mounted.unmount()
    for gone in sorted(tier.glob('volumes/*')):
        shutil.rmtree(gone)
        mounted = mount(remote.url, f'tier={tier}')
        assert_all_right(mounted, scratch / 'tree')
        harness.assert_same_tree(scratch / 'tree', mounted.folder)
        mounted.unmount()
    assert_kept_is_right(tier, remote.own)
