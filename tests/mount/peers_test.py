#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: nodes read from each other's tiers what one of them has read, so that a pack is fetched from its origin about once for all of
them; and a neighbour that is gone, slow or wrong costs time, never a wrong byte."""
import concurrent.futures
import os
import random
import shutil
import signal
import threading
import time

import harness
import pytest
import tiers
import web
from tiers import HEADER, PAGE, RECORD, UNIT, assert_all_right, await_all_kept
from web import SAMPLE_BYTES, Misbehaving, Nginx, free_port

make_served, make_origin = tiers.make_served, web.make_origin


class TierServer(Nginx):
    """nginx with the example of packaging/, over a folder, below /tier."""

    def configure(self, listen, temporary, settings):
        text = (harness.REPOSITORY / 'packaging/examples/nginx/tier.conf').read_text()
        folder = settings.split('root ')[1].split(';')[0]
        for old, new in (('listen 8080;', f'listen {listen};'), ('/nvme/quire/', f'{folder}/'), ('access_log off;', f'access_log {self.log};'),
                         ('pid /run/quire-tier.pid;', f'daemon off; master_process off; pid {self.own}/pid;'), ('http {', f'http {{ {temporary}')):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (self.own / 'nginx.conf').write_text(text)


class Nodes:
    """Tiers that one nginx serves, as if each were on a node of its own: node N mounts below `mntN`."""

    def __init__(self, at_end, scratch, mount):
        self.scratch, self.make_mount = scratch, mount
        self.folder = scratch / 'nodes'
        self.folder.mkdir()
        self.server = TierServer(at_end, scratch, self.folder)

    def tier(self, node):
        return self.folder / f'{node}'

    def url(self, node):
        return f'{self.server.url}/tier/{node}'

    def mount(self, source, node, *options, peers=None, count=4):
        peers = peers or self.url(f'{{0..{count - 1}}}')  # this node itself too, as in one fstab for all
        return self.make_mount(source, f'tier={self.tier(node)}', f'peers={peers}', *options, folder=self.scratch / f'mnt{node}')


@pytest.fixture(name='nodes')
def make_nodes(at_end, scratch, mount):
    return Nodes(at_end, scratch, mount)


def asked_bytes(origin):
    return sum(last + 1 - first for (first, last), _ in origin.seen)


def told(mounted):
    return mounted.stats()['peers']


def test_what_a_pack_had_before_it_grew_is_read_from_neighbours(scratch, origin, nodes):
    tree, source = scratch / 'tree', scratch / 'source'
    first = nodes.mount(origin.url, 0)
    assert_all_right(first, tree)
    await_all_kept(first, origin.path)
    source.mkdir()
    for number in range(40):
        (source / f'new{number}').write_bytes(random.Random(number).randbytes(SAMPLE_BYTES))
    grown = scratch / 'grown.quire'
    shutil.copy(origin.path, grown)
    harness.quire('append', '--progress', 'never', grown, source)
    harness.run('cp', '-a', f'{source}/.', tree)
    os.replace(grown, origin.path)
    del origin.seen[:]
    second = nodes.mount(origin.url, 1)
    assert_all_right(second, tree, 1)
    assert 40 * SAMPLE_BYTES <= asked_bytes(origin) <= 40 * SAMPLE_BYTES + 2 * PAGE
    assert told(second)['read_bytes'] >= tiers.SAMPLES * SAMPLE_BYTES - PAGE
    first.unmount()
    tiers.await_kept(second, origin.path.stat().st_size - PAGE)
    del origin.seen[:]
    first = nodes.mount(origin.url, 0)
    assert_all_right(first, tree, 2)
    assert asked_bytes(origin) <= 1 << 20, 'what is new is of the neighbour'


def test_what_a_neighbour_has_is_read_from_there(scratch, origin, nodes):
    first = nodes.mount(origin.url, 0)
    assert_all_right(first, scratch / 'tree')
    await_all_kept(first, origin.path)
    assert told(first)['reads'] == 0
    del origin.seen[:]
    second = nodes.mount(origin.url, 1)
    assert_all_right(second, scratch / 'tree', 1)
    assert asked_bytes(origin) <= 2 * 8192, 'the superblock alone'
    assert told(second)['read_bytes'] >= tiers.SAMPLES * SAMPLE_BYTES
    await_all_kept(second, origin.path)
    # And from the second on to a third one, which knows no other.
    first.unmount()
    third = nodes.mount(origin.url, 2, peers=nodes.url(1))
    assert_all_right(third, scratch / 'tree', 2)
    assert asked_bytes(origin) <= 3 * 8192
    assert told(third)['wrong_bytes'] == told(third)['faults'] == 0


def test_a_node_does_not_ask_itself(scratch, origin, nodes):
    mounted = nodes.mount(origin.url, 0, count=1)
    assert_all_right(mounted, scratch / 'tree')
    asked = nodes.server.log.read_text()
    assert asked.count('/map') == 1, asked
    assert told(mounted) == {'reads': 0, 'read_bytes': 0, 'wrong_bytes': 0, 'waits': 0, 'faults': 0}


class Slow(Misbehaving):
    """Each answer takes so many seconds."""
    seconds = 0.2

    def answer(self, request):
        time.sleep(self.seconds)
        super().answer(request)


def test_nodes_that_read_at_once_fetch_each_page_once(at_end, scratch, served, nodes):
    origin, count = Slow(at_end, served / 'tree.quire'), 6
    size = origin.path.stat().st_size
    with concurrent.futures.ThreadPoolExecutor() as pool:
        mounts = list(pool.map(lambda node: nodes.mount(origin.url, node, 'tier_size=100M', count=count), range(count)))
        origin.seen.clear()
        readers = [pool.submit(assert_all_right, mounted, scratch / 'tree', node) for node, mounted in enumerate(mounts)]
        for reader in readers:
            reader.result()
    assert sum(told(mounted)['waits'] for mounted in mounts) > 0
    assert asked_bytes(origin) <= 1.3 * size, (asked_bytes(origin) / size, [told(mounted) for mounted in mounts])


def test_a_pack_is_brought_in_parts_and_exchanged(at_end, scratch, served, nodes, quire):
    origin, count = Slow(at_end, served / 'tree.quire'), 3
    size = origin.path.stat().st_size
    peers = nodes.url(f'{{0..{count - 1}}}')
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fetches = [pool.submit(quire, 'fetch', '-q', origin.url, '--tier', nodes.tier(node), '--peers', peers) for node in range(count)]
        for fetch in fetches:
            fetch.result()
    assert asked_bytes(origin) <= 1.3 * size + count * (1 << 20), asked_bytes(origin) / size
    origin.seen.clear()
    for node in range(count):
        assert_all_right(nodes.mount(origin.url, node, count=count), scratch / 'tree')
    assert asked_bytes(origin) <= count * 8192


def test_files_on_shared_disks_are_exchanged_too(scratch, served, nodes):
    first = nodes.mount(served / 'tree.quire', 0)
    assert_all_right(first, scratch / 'tree')
    await_all_kept(first, served / 'tree.quire')
    second = nodes.mount(served / 'tree.quire', 1)
    assert_all_right(second, scratch / 'tree')
    assert told(second)['read_bytes'] >= tiers.SAMPLES * SAMPLE_BYTES


def damage_maps(tier, change):
    """Calls `change` with the open map and data of each volume, which is not mounted."""
    for folder in (tier / 'volumes').iterdir():
        with open(folder / 'map', 'r+b') as volume_map, open(folder / 'data', 'r+b') as data:
            change(volume_map.fileno(), data.fileno(), os.path.getsize(folder / 'data'))


def flip_data(_volume_map, data, size):
    for at in range(0, size, UNIT):
        byte = os.pread(data, 1, at)
        os.pwrite(data, bytes([byte[0] ^ 1]), at)


def forge_records(volume_map, _data, size):
    """Everything is said to be there, and to be brought."""
    for page in range(-(-size // PAGE)):
        os.pwrite(volume_map, b'\xff' * RECORD, HEADER + page * RECORD)


def fill_with_noise(volume_map, _data, _size):
    os.pwrite(volume_map, random.Random(3).randbytes(os.fstat(volume_map).st_size - HEADER), HEADER)


def other_head(volume_map, _data, _size):
    os.pwrite(volume_map, random.Random(4).randbytes(HEADER), 0)


def cut_off(volume_map, data, _size):
    os.ftruncate(volume_map, HEADER + 10)
    os.ftruncate(data, 5 * UNIT)


@pytest.mark.parametrize('damage', [flip_data, forge_records, fill_with_noise, other_head, cut_off])
def test_what_is_wrong_at_a_neighbour_is_read_from_the_origin(scratch, origin, nodes, damage):
    first = nodes.mount(origin.url, 0)
    assert_all_right(first, scratch / 'tree')
    await_all_kept(first, origin.path)
    first.unmount()
    damage_maps(nodes.tier(0), damage)
    second = nodes.mount(origin.url, 1)
    assert_all_right(second, scratch / 'tree')
    if damage is flip_data:
        assert told(second)['wrong_bytes'] > 0


def test_wrong_bytes_with_sums_that_fit_do_not_stay(at_end, scratch, origin, nodes):
    """A neighbour kept what a broken origin sent, and has sums of it."""
    wrong = Misbehaving(at_end, origin.path)
    first = nodes.mount(wrong.url, 0, 'retry=1', 'prefetch=off')
    wrong.faults.append(('wrong bytes', 10_000))
    for name in sorted(os.listdir(scratch / 'tree')):
        with pytest.raises(OSError):
            (first / name).read_bytes()
    first.unmount()
    second_tier = nodes.tier(1)
    wrong.faults.clear()
    second = nodes.mount(wrong.url, 1)
    assert second_tier.is_dir()
    assert_all_right(second, scratch / 'tree')


def test_a_neighbour_that_does_not_answer_is_left_alone(at_end, scratch, origin, nodes):
    port, log = free_port(), scratch / 'log'
    silent = Misbehaving(at_end, origin.path)
    silent.faults.append(('silence', 10_000))
    gone, mute = f'http://127.0.0.1:{port}/tier', silent.url.rsplit('/', 1)[0]
    began = time.monotonic()
    mounted = nodes.mount(origin.url, 0, f'log_file={log}', peers=f'{gone}+{mute}')
    assert_all_right(mounted, scratch / 'tree')
    assert time.monotonic() - began < 15
    assert told(mounted)['faults'] >= 2
    assert f"those of 0 of 2 neighbours (not {gone}: Couldn't connect to server, not {mute}: it does not answer in time)" in log.read_text()


def test_a_neighbour_that_may_not_read_its_tier_is_told_of(at_end, scratch, origin, nodes):
    """nginx as another user than the tier's, which reads there nothing."""
    closed, log = Misbehaving(at_end, origin.path), scratch / 'log'
    closed.faults = [('404', 10_000)]
    mounted = nodes.mount(origin.url, 0, f'log_file={log}', peers=closed.url)
    closed.faults = [('403', 10_000)]  # what is told before goes to who mounts
    time.sleep(0.3)  # it is asked for its map five times a second at most
    before = len(closed.seen)
    assert_all_right(mounted, scratch / 'tree')
    assert f'peer {closed.url}: the server does not permit it (status 403)' in log.read_text()
    assert told(mounted)['faults'] > 0
    assert len(closed.seen) - before < 4, 'it is left alone'


def test_a_neighbour_that_is_slow_again_and_again_is_left_alone(at_end, scratch, origin, nodes):
    slow, log = Slow(at_end, origin.path), scratch / 'log'
    slow.seconds = 0.8
    slow.faults.append(('404', 10_000))
    mounted = nodes.mount(origin.url, 0, f'log_file={log}', 'push=off', 'readahead=off', 'direct_io', 'cache_size=8M', 'tier_size=3M', peers=slow.url)
    for seed in range(3):
        assert_all_right(mounted, scratch / 'tree', seed)
    assert f'peer {slow.url}: its answers take too long' in log.read_text()
    began, asked = time.monotonic(), len(slow.seen)
    for seed in range(3):
        assert_all_right(mounted, scratch / 'tree', seed)
    assert len(slow.seen) - asked <= 2 + (time.monotonic() - began) / 2


def test_a_neighbour_that_comes_back_is_asked_again(scratch, served, nodes):
    log = scratch / 'log'
    first = nodes.mount(served / 'tree.quire', 0)
    assert_all_right(first, scratch / 'tree')
    await_all_kept(first, served / 'tree.quire')
    nodes.server.stop()
    second = nodes.mount(served / 'tree.quire', 1, f'log_file={log}')
    names = sorted(os.listdir(scratch / 'tree'))
    assert (second / names[0]).read_bytes() == (scratch / 'tree' / names[0]).read_bytes()
    assert told(second)['reads'] == 0
    nodes.server.start()
    time.sleep(2.5)  # the first rest is of two seconds
    assert_all_right(second, scratch / 'tree')
    assert told(second)['reads'] > 0
    assert 'those of 0 of 4 neighbours' in log.read_text()
    assert f'peer {nodes.url(0)}: answers again' in log.read_text()


def test_a_killed_neighbours_claims_are_not_waited_for_long(at_end, scratch, served, nodes):
    origin = Misbehaving(at_end, served / 'tree.quire')
    first = nodes.mount(origin.url, 0, 'prefetch=off')
    names = sorted(os.listdir(scratch / 'tree'))
    origin.faults.append(('silence', 1))  # the page that is asked for now does not come

    def read():
        try:
            (first / names[50]).read_bytes()
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    harness.until(10, lambda: 'silence' in origin.done, 'the page is claimed')
    os.kill(first.daemon(), signal.SIGKILL)
    reader.join()
    origin.let_go.set()
    second = nodes.mount(origin.url, 1)
    began = time.monotonic()
    assert_all_right(second, scratch / 'tree')
    assert time.monotonic() - began < 12
    assert told(second)['waits'] > 0


def test_neighbours_are_not_told_secrets(at_end, scratch, origin, nodes):
    headers = scratch / 'headers'
    headers.write_text('Authorization: Bearer secret\n')
    neighbour = Misbehaving(at_end, origin.path)
    neighbour.faults.append(('404', 10_000))
    mounted = nodes.mount(origin.url, 0, f'header_file={headers}', peers=neighbour.url)
    assert_all_right(mounted, scratch / 'tree')
    assert neighbour.seen and all('Authorization' not in sent for _, sent in neighbour.seen)
    assert all(sent['Authorization'] == 'Bearer secret' for _, sent in origin.seen)


def test_unmounting_does_not_wait_for_neighbours(at_end, scratch, origin, nodes):
    silent = Misbehaving(at_end, origin.path)
    mounted = nodes.mount(origin.url, 0, peers=silent.url)
    silent.faults.append(('silence', 10_000))
    origin.faults.append(('silence', 10_000))
    names = sorted(os.listdir(scratch / 'tree'))
    reader = threading.Thread(target=lambda: pytest.raises(OSError, (mounted / names[3]).read_bytes))
    reader.start()
    time.sleep(0.3)
    began = time.monotonic()
    os.kill(mounted.daemon(), signal.SIGTERM)
    reader.join()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize('options, expected', [
    (('peers=http://node1/tier',), "option 'peers=' needs 'tier='"),
    (('tier=/tmp/none', 'peers=node1:8080'), "'node1:8080': give the URL"),
    (('tier=/tmp/none', 'peers=http://me:secret@node1/tier'), 'give the URL'),
    (('tier=/tmp/none', 'peers=http://node1/tier+'), "'': give the URL"),
    (('tier=/tmp/none', 'peers=http://node{1..33}/tier'), 'more than 32'),
])
def test_what_is_no_list_of_neighbours_is_refused(scratch, served, quire, options, expected):
    (scratch / 'mnt').mkdir()
    result = quire('mount', served / 'tree.quire', scratch / 'mnt', '-o', ','.join(options), status=2)
    assert expected in result.err, result.err
