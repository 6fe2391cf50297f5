#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: what a mount counts is what was read, evicted, pushed, kept and slow, in every form in which it is told; and who asks
waits for no mount that does not answer."""
import ctypes
import ctypes.util
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import threading
import time

import harness
import pytest
import scenario
import web

SAMPLE_BYTES = 16 << 10
PAGE_BYTES = 2 << 20
TIER_UNIT_BYTES = 16 << 10


def make_tree(folder, count, size=SAMPLE_BYTES):
    random.seed(count)
    folder.mkdir()
    for number in range(count):
        (folder / f'{number:05}').write_bytes(random.randbytes(size))
    return sorted(folder.iterdir())


@pytest.fixture(name='tree')
def make_small_tree(scratch):
    make_tree(scratch / 'tree', 100)
    return scratch / 'tree'


@pytest.fixture(name='packed')
def make_pack(tree, scratch, pack):
    pack(tree, scratch / 'tree.quire')
    return scratch / 'tree.quire'


def read_all(mount, names):
    """With direct_io each is one request."""
    for name in names:
        file = os.open(mount / name, os.O_RDONLY)
        assert len(os.read(file, 1 << 20)) > 0, name
        os.close(file)


def reads_of(counters):
    return sum(counters[name] for name in ('hits', 'joined', 'fill_misses', 'bypasses'))


def waited_reads(stats):
    return sum(each['reads'] for each in stats['waits']['latency'])


def promtool(*arguments, text=None):
    if not shutil.which('promtool'):
        pytest.skip('there is no promtool: Debian has it in prometheus')
    done = harness.subprocess.run(['promtool', *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def samples_of(text):
    """Metrics by name with labels, but for those of the mount."""
    samples = {}
    for line in text.splitlines():
        if not line.startswith('#'):
            name, labels, value = re.fullmatch(r'(\w+)\{mount_point="(?:[^"\\]|\\.)*",pack="(?:[^"\\]|\\.)*",?(.*)\} (\S+)', line).groups()
            samples[name + (f'{{{labels}}}' if labels else '')] = float(value)
    return samples


def fresh(path):
    """A control file tells the same for a tenth of a second."""
    time.sleep(scenario.STATS_AGE_S)
    return path.read_bytes().decode()


# --- Counters and traffic

def test_cold_reads_of_samples_alone_are_bypasses_and_waits(tree, packed, mount):
    shown = mount(packed, 'direct_io', 'admit=extent', 'readahead=off')
    names = sorted(os.listdir(tree))
    read_all(shown, names)
    stats = shown.stats()
    assert (stats['counters']['bypasses'], reads_of(stats['counters'])) == (100, 100)
    assert stats['counters']['missed_bytes'] == 100 * SAMPLE_BYTES
    assert waited_reads(stats) == 100, 'each of them waited'
    assert stats['sources']['memory_bytes'] == stats['sources']['kernel_bytes'] == stats['sources']['network_bytes'] == 0
    # Aligned by sectors, each is at most two sectors longer than the sample.
    assert 100 * SAMPLE_BYTES <= stats['sources']['disk_bytes'] <= 100 * (SAMPLE_BYTES + 2 * 4096)
    waits = stats['waits']
    parts = sum(waits[f'{part}_us'] for part in ('queue', 'volume', 'tier', 'peers', 'decode', 'check', 'reply', 'rest'))
    assert abs(parts - waits['total_us']) < 10, 'the parts of the time are not all of it'
    assert waits['volume_us'] > 0 and waits['tier_us'] == waits['peers_us'] == waits['decode_us'] == 0


def test_warm_reads_are_hits_and_wait_for_nothing(tree, packed, mount):
    shown = mount(packed, 'direct_io', 'admit=page', 'readahead=off')
    names = sorted(os.listdir(tree))
    read_all(shown, names)
    shown.settle()
    cold = shown.stats()
    assert reads_of(cold['counters']) == 100
    read_all(shown, names)
    warm = shown.stats()
    assert warm['counters']['hits'] - cold['counters']['hits'] == 100
    assert warm['sources']['memory_bytes'] - cold['sources']['memory_bytes'] == 100 * SAMPLE_BYTES
    for same in ('fill_misses', 'bypasses', 'joined', 'volume_reads', 'volume_bytes'):
        assert warm['counters'][same] == cold['counters'][same], same
    assert warm['waits'] == cold['waits'] and warm['sources']['disk_bytes'] == cold['sources']['disk_bytes']
    assert warm['resident_pages'] == warm['counters']['filled_pages']


def test_evictions_are_the_pages_beyond_the_slots(scratch, pack, mount):
    make_tree(scratch / 'large', 12, PAGE_BYTES - 4096)
    pack(scratch / 'large', scratch / 'large.quire')
    shown = mount(scratch / 'large.quire', 'direct_io', 'admit=page', 'readahead=off', 'policy=lru', 'cache_size=12M')
    at_once = int(re.search(r'up to (\d+) of them in memory', shown.stats()['cache'][2]).group(1))
    for filled, name in enumerate(sorted(os.listdir(scratch / 'large')), 1):
        assert len((shown / name).read_bytes()) == PAGE_BYTES - 4096
        # Samples of nearly a page each: one or two pages were touched by each.
        harness.until(10, lambda filled=filled: shown.counters()['filled_pages'] >= filled, 'the page is filled')
    shown.settle()
    stats = shown.stats()
    assert stats['resident_pages'] == at_once
    assert stats['counters']['evicted_pages'] == stats['counters']['filled_pages'] - at_once > 0


def test_pushed_samples_are_those_that_the_kernel_holds(tree, packed, mount):
    if not shutil.which('fincore'):
        pytest.skip('there is no fincore')
    shown = mount(packed, 'push=on', 'admit=page')
    os.listdir(shown.folder)
    for name in sorted(os.listdir(tree)):
        os.stat(shown / name)  # the kernel knows its inode
    (shown / '00000').read_bytes()
    shown.settle()
    stats = shown.stats()
    held = harness.run('fincore', '-b', '-n', '-o', 'RES,FILE', *[shown / name for name in os.listdir(tree)]).out.split('\n')
    whole = [line.split()[1] for line in held if line and int(line.split()[0]) == SAMPLE_BYTES]
    read = {str(shown / '00000')}
    # A kernel that reclaims in advance (DAMON) may have dropped a few by now.
    assert 0.9 * stats['push']['samples'] <= len(set(whole) - read) <= stats['push']['samples'] > 0
    assert stats['sources']['kernel_bytes'] == stats['push']['bytes'] == stats['push']['samples'] * SAMPLE_BYTES


def test_what_the_tier_gave_is_not_the_disks(scratch, tree, packed, mount):
    names = sorted(os.listdir(tree))
    options = ('direct_io', 'admit=page', 'readahead=off', f'tier={scratch}/tier', 'prefetch=off')
    first = mount(packed, *options)
    read_all(first, names)
    first.settle()
    harness.until(10, lambda: first.stats()['tier']['kept_bytes'] >= 100 * SAMPLE_BYTES, 'all of it is kept')
    cold = first.stats()
    assert cold['sources']['tier_bytes'] == 0 and cold['sources']['disk_bytes'] == cold['counters']['volume_bytes'] > 0
    first.unmount()
    second = mount(packed, *options)
    read_all(second, names)
    second.settle()
    warm = second.stats()
    assert warm['sources']['disk_bytes'] == 0
    assert warm['counters']['volume_bytes'] >= 100 * SAMPLE_BYTES
    # A tier gives whole units, also where the last one of a page is not all data.
    assert 0 <= warm['sources']['tier_bytes'] - warm['counters']['volume_bytes'] < TIER_UNIT_BYTES
    assert warm['waits']['tier_us'] > 0 and warm['waits']['volume_us'] == 0


def test_what_came_by_the_network_is_told(scratch, at_end, packed, mount):
    server = web.Nginx(at_end, scratch, packed.parent)
    shown = mount(f'{server.url}/{packed.name}', 'direct_io', 'admit=extent', 'readahead=off')
    read_all(shown, sorted(os.listdir(shown.folder)))
    stats = shown.stats()
    assert stats['sources']['disk_bytes'] == 0
    assert stats['sources']['network_bytes'] == stats['remote']['bytes'] >= 100 * SAMPLE_BYTES


# --- Slow reads

@pytest.fixture(name='slow')
def mount_on_slow_disk(tree, packed, mount):
    """A mount whose disk takes 300 ms for each read, and three samples, which are read alone."""
    slow, disk = mount.slow_disk(packed)
    names = sorted(os.listdir(tree))[::40]

    def make(*options):
        shown = mount(slow, 'direct_io', 'admit=extent', 'readahead=off', *options)
        disk.obey('delay 300000 300000')
        return shown, names
    return make


def test_slow_reads_are_counted_and_the_log_says_where_the_time_went(scratch, slow):
    shown, names = slow('slow_ms=200', f'log_file={scratch}/log')
    read_all(shown, names)
    stats = shown.stats()
    assert (stats['slow']['threshold_ms'], stats['slow']['reads']) == (200, 3)
    assert stats['slow']['volume_us'] >= 3 * 290_000
    assert stats['slow']['volume_us'] > 0.9 * stats['slow']['total_us'], stats['slow']
    lines = [line for line in (scratch / 'log').read_text().splitlines() if 'slow:' in line]
    assert len(lines) == 1, f'one line in ten seconds: {lines}'
    told = re.search(r"slow: read of '/00000' \(\d+ bytes at 0\) took (\d+) ms: disk (\d+) ms", lines[0])
    assert told, lines[0]
    assert 290 <= int(told.group(2)) <= int(told.group(1)) < 3000
    metrics = samples_of(fresh(shown / '.quire/metrics'))
    assert metrics['quire_slow_reads_total'] == 3
    assert metrics['quire_slow_read_stage_seconds_total{stage="volume"}'] >= 0.87
    assert harness.quire('stats', shown.folder).says('3 reads took 200 ms or longer: disk [0-9]+ %')


def test_what_is_faster_than_the_threshold_is_not_slow(scratch, slow):
    shown, names = slow('slow_ms=20000', f'log_file={scratch}/log')
    read_all(shown, names)
    assert shown.stats()['slow']['reads'] == 0 and 'slow:' not in (scratch / 'log').read_text()


def test_zero_calls_nothing_slow(scratch, slow):
    shown, names = slow('slow_ms=0', f'log_file={scratch}/log')
    read_all(shown, names)
    assert shown.stats()['slow']['reads'] == 0 and 'slow:' not in (scratch / 'log').read_text()


def test_a_threshold_that_is_no_number_is_refused(packed, quire, scratch):
    (scratch / 'mnt').mkdir()
    assert quire('mount', packed, scratch / 'mnt', '-o', 'slow_ms=soon', status=2).says('slow_ms=soon', 'milliseconds')


# --- Metrics

@pytest.fixture(name='oddly')
def mount_oddly(tree, scratch, pack, mount):
    """A mount of a pack whose name has all that a label must not have."""
    folder = scratch / os.fsdecode(b'odd "name" \\ \n \xff\xc3\xa4')
    folder.mkdir()
    pack(tree, folder / 'tree.quire')
    shown = mount(folder / 'tree.quire', 'direct_io')
    read_all(shown, ['00000', '00001'])
    return shown


def test_promtool_accepts_the_metrics_of_odd_names(oddly):
    text = fresh(oddly / '.quire/metrics')
    assert r'odd \"name\" \\\\ \\n \\xff' in text
    assert promtool('check', 'metrics', text=text) == ''


def test_metrics_say_what_stats_say(packed, tree, mount):
    shown = mount(packed, 'direct_io', 'admit=extent', 'readahead=off')
    read_all(shown, sorted(os.listdir(tree)))
    read_all(shown, ['00000'])
    stats, metrics = shown.stats(), samples_of(fresh(shown / '.quire/metrics'))
    counters = stats['counters']
    assert metrics['quire_reads_total{answer="bypass"}'] == counters['bypasses'] == 100
    assert metrics['quire_reads_total{answer="hit"}'] == counters['hits'] == 1
    assert metrics['quire_source_bytes_total{source="disk"}'] == stats['sources']['disk_bytes']
    assert metrics['quire_source_bytes_total{source="memory"}'] == SAMPLE_BYTES
    assert metrics['quire_read_wait_seconds_count'] == metrics['quire_read_wait_seconds_bucket{le="+Inf"}'] == waited_reads(stats)
    assert abs(metrics['quire_read_wait_seconds_sum'] - stats['waits']['total_us'] / 1e6) < 1e-3
    assert metrics['quire_slow_read_threshold_seconds'] == 1
    assert not [name for name in metrics if name.startswith(('quire_remote', 'quire_tier', 'quire_peer'))]


def test_metrics_of_several_mounts_are_one_document(packed, mount, scratch, quire, oddly):
    other = mount(packed, folder=scratch / 'other')
    text = quire('stats', '--prometheus', other.folder, oddly.folder).out
    assert promtool('check', 'metrics', text=text) == ''
    for family in ('quire_mount_up', 'quire_uptime_seconds'):
        assert text.count(f'# TYPE {family} ') == 1 and len(re.findall(f'^{family}{{', text, re.MULTILINE)) == 2


def test_every_metric_is_in_the_manual(packed, mount):
    page = harness.QUIRE.parents[1] / 'packaging/man/man1/quire-stats.1'
    if not page.exists():
        pytest.skip('there are no manual pages: they need pandoc')
    manual = harness.run('man', '-E', 'ascii', '-l', page, env={**os.environ, 'MANWIDTH': '1000'}).out
    shown = mount(packed)
    families = set(re.findall(r'^# TYPE (\w+)', fresh(shown / '.quire/metrics'), re.MULTILINE))
    assert len(families) > 30 and families <= set(re.findall(r'\bquire_\w+', manual))


# --- The command

def test_people_are_told_what_came_from_where(packed, tree, mount, quire):
    shown = mount(packed, 'direct_io', 'admit=extent', 'readahead=off')
    read_all(shown, sorted(os.listdir(tree)))
    said = quire('stats', shown / '00000')  # a path in the mount will do
    assert said.says(f'^{shown.folder}: {packed}$', r'^ +memory +0 B +0 of 100 reads', r'^ +disk .* 100 reads$',
                     '100 reads waited: half of them less than', 'they waited for: disk')
    assert 'went wrong' not in said.out


def test_json_has_each_mount(packed, mount, quire, scratch):
    one, two = mount(packed), mount(packed, folder=scratch / 'two')
    document = json.loads(quire('stats', '--json', one.folder, two.folder).out)
    assert [each['mount_point'] for each in document['mounts']] == [one.folder, two.folder]
    assert all(each['is_up'] and each['source'] == str(packed) and each['stats']['schema'] == 1 for each in document['mounts'])


def test_all_finds_every_mount_once(packed, mount, quire, scratch):
    shown = mount(packed)
    document = json.loads(quire('stats', '--all', '--json').out)
    assert [each['mount_point'] for each in document['mounts']].count(shown.folder) == 1
    if not harness.is_root():
        return
    copy = scratch / 'copy'
    copy.mkdir()
    harness.run('mount', '--bind', shown.folder, copy)
    try:
        document = json.loads(quire('stats', '--all', '--json').out)
        assert [each['source'] for each in document['mounts']].count(str(packed)) == 1, 'a copy of a mount is no other mount'
    finally:
        harness.run('umount', copy)


def test_watch_tells_rates_until_it_is_interrupted(packed, tree, mount, at_end, scratch):
    shown = mount(packed, 'direct_io', 'admit=extent', 'readahead=off')
    with open(scratch / 'watched', 'wb') as output:
        watch = harness.start(at_end, harness.QUIRE, 'stats', '--watch', '0.5', shown.folder, stdout=output)
    lines = lambda: (scratch / 'watched').read_text().splitlines()
    harness.until(10, lambda: len(lines()) >= 2, 'a first line')
    read_all(shown, sorted(os.listdir(tree)))
    read_all(shown, sorted(os.listdir(tree)))
    harness.until(10, lambda: any(not line.split()[-5].startswith('0') for line in lines()[1:]), lambda: 'reads are seen: ' + '\n'.join(lines()))
    watch.send_signal(signal.SIGINT)
    assert watch.wait(10) == -signal.SIGINT
    assert lines()[0].split()[0] == 'kernel/s'


def test_wrong_usage(scratch, quire):
    assert quire('stats', status=2).says('--all')
    assert quire('stats', '--all', scratch, status=2).says('not both')
    assert quire('stats', '--json', '--prometheus', scratch, status=2)
    assert quire('stats', scratch, status=1).says('no pack is mounted at')


def test_a_text_file_is_replaced_in_one_step(packed, mount, quire, scratch):
    shown = mount(packed)
    folder = scratch / 'collector'
    folder.mkdir()
    (folder / 'quire.prom').write_text('old\n# end\n')
    os.chmod(folder / 'quire.prom', 0o600)
    seen, is_over = [], threading.Event()

    def look():
        while not is_over.is_set():
            seen.append((folder / 'quire.prom').read_text())
            assert [name for name in os.listdir(folder) if name.endswith('.prom')] == ['quire.prom']

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(30):
        quire('stats', shown.folder, '--textfile', folder)
    is_over.set()
    reader.join()
    assert os.listdir(folder) == ['quire.prom'] and (os.stat(folder / 'quire.prom').st_mode & 0o777) == 0o644
    whole = (folder / 'quire.prom').read_text()
    last = whole.splitlines()[-1].split('{')[0]
    assert len(set(seen)) > 1 and all(text.startswith('old') or text.splitlines()[-1].startswith(last) for text in seen)
    assert promtool('check', 'metrics', text=whole) == ''
    assert quire('stats', shown.folder, '--textfile', scratch / 'none', status=1).says('none', 'no such file')


def test_no_daemon_that_does_not_answer_is_waited_for(packed, mount, quire):
    shown = mount(packed)
    daemon = shown.daemon()
    os.kill(daemon, signal.SIGSTOP)
    try:
        harness.until(5, lambda: '(stopped)' in scenario.content(f'/proc/{daemon}/status').decode(), 'it stops')
        began = time.monotonic()
        assert quire('stats', shown.folder, status=1).says(f'process {daemon} is stopped')
        up = [line for line in quire('stats', '--all', '--prometheus').out.splitlines() if line.startswith('quire_mount_up') and shown.folder in line]
        assert len(up) == 1 and up[0].endswith('} 0')
        assert time.monotonic() - began < 5
    finally:
        os.kill(daemon, signal.SIGCONT)
    assert quire('stats', shown.folder).says('what came from where')


def test_a_mount_without_a_daemon_is_down(packed, mount, quire):
    shown = mount(packed)
    daemon = shown.daemon()
    os.kill(daemon, signal.SIGKILL)
    harness.until(10, lambda: harness.is_gone(daemon), 'it ends')
    assert quire('stats', shown.folder, status=1).says('daemon')
    document = json.loads(quire('stats', '--all', '--json').out)
    mine = [each for each in document['mounts'] if each['mount_point'] == shown.folder]
    assert len(mine) == 1 and not mine[0]['is_up'] and mine[0]['stats'] is None and 'gone' in mine[0]['error']


# --- config and version

def test_config_tells_what_was_asked_for_and_what_was_chosen(packed, mount):
    shown = mount(packed, 'cache_size=8M', 'push=off', 'io=threads', 'huge=off', 'transport=dev')
    config = json.loads((shown / '.quire/config').read_text())
    assert config['schema'] == 1 and config['mount_point'] == shown.folder and config['source'] == str(packed)
    for choice, chosen in (('transport', 'dev'), ('huge_pages', 'off'), ('push', 'off')):
        assert (config[choice]['asked'], config[choice]['chosen'], config[choice]['why']) == (chosen, chosen, 'as asked'), choice
    assert config['io']['asked'] == 'threads' and config['io']['chosen'].startswith('pread')
    assert config['cache']['asked_bytes'] == config['cache']['most_bytes'] == 8 << 20
    assert config['residency']['chosen'] == 'store' and config['sweep']['chosen'] == 'off'
    assert config['tier'] is None and config['remote'] is None
    assert (shown / '.quire/version').read_text() == harness.quire('--version').out


# --- Where a sample lies

def told(path, name):
    return os.getxattr(path, f'user.quire.{name}').decode()


def xxh3(data):
    name = ctypes.util.find_library('xxhash')
    if name is None:
        pytest.skip('there is no libxxhash')
    function = ctypes.CDLL(name).XXH3_64bits
    function.restype, function.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]
    return f'{function(data, len(data)):016x}'


def stored_bytes(path):
    """What lies where the attributes say."""
    with open(told(path, 'volume'), 'rb') as file:
        parts = []
        for offset, length in (part.split('+') for part in told(path, 'extents').split(',')):
            file.seek(int(offset))
            parts.append(file.read(int(length)))
    return parts


def test_attributes_of_samples_lead_to_their_bytes(scratch, pack, mount):
    tree = scratch / 'tree'
    make_tree(tree, 3)
    (tree / 'large').write_bytes(random.randbytes(5_000_000))
    (tree / 'empty').touch()
    (tree / 'folder').mkdir()
    os.setxattr(tree / '00001', 'user.of.source', b'x')
    pack(tree, scratch / 'tree.quire')
    shown = mount(scratch / 'tree.quire', 'push=off')
    for name in ('00000', 'large'):
        parts = stored_bytes(shown / name)
        assert b''.join(parts) == (tree / name).read_bytes()
        assert told(shown / name, 'xxh3') == ','.join(xxh3(part) for part in parts)
        assert told(shown / name, 'page') == str(int(told(shown / name, 'extents').split('+')[0]) // PAGE_BYTES)
    assert len(stored_bytes(shown / 'large')) >= 3
    # By name only: listings, and so copies, have what the source has.
    assert os.listxattr(shown / '00000') == [] and os.listxattr(shown / '00001') == ['user.of.source']
    assert harness.run('getfattr', '-d', '-m', '-', shown / '00000').out == ''
    assert harness.run('getfattr', '--only-values', '-n', 'user.quire.volume', shown / '00000').out == str(scratch / 'tree.quire')
    for path, name in (('00000', 'none'), ('00000', ''), ('folder', 'page'), ('empty', 'xxh3')):
        with pytest.raises(OSError) as refused:
            told(shown / path, name)
        assert refused.value.errno == errno.ENODATA, (path, name)


def test_resident_counts_the_bytes_in_memory(tree, packed, mount):
    shown = mount(packed, 'direct_io', 'admit=page', 'readahead=off')
    assert told(shown / '00000', 'resident') == '0'
    read_all(shown, sorted(os.listdir(tree)))
    shown.settle()
    assert {told(shown / name, 'resident') for name in os.listdir(tree)} == {str(SAMPLE_BYTES)}
    assert shown.counters()['hits'] + shown.counters()['joined'] + shown.counters()['fill_misses'] == 100, 'to ask is no read'


def test_the_sources_attribute_comes_first(scratch, pack, mount):
    tree = scratch / 'tree'
    make_tree(tree, 1)
    os.setxattr(tree / '00000', 'user.quire.page', b'of the source')
    pack(tree, scratch / 'tree.quire')
    shown = mount(scratch / 'tree.quire')
    assert told(shown / '00000', 'page') == 'of the source' and told(shown / '00000', 'extents')
    assert os.listxattr(shown / '00000') == ['user.quire.page']


def test_attributes_of_members_lead_into_their_archive(scratch, tree, mount, quire):
    tars = []
    for number, names in enumerate((['00000', '00001'], ['00002'])):
        tars.append(scratch / f'shard-{number}.tar')
        harness.run('tar', '-C', tree, '-cf', tars[-1], *names)
    shown = mount(f'{scratch}/shard-{{0..1}}.tar')
    paths = {path.name: path for path in pathlib.Path(shown.folder).rglob('0*') if path.is_file()}
    for name, archive in (('00001', tars[0]), ('00002', tars[1])):
        assert told(paths[name], 'volume') == str(archive)
        assert b''.join(stored_bytes(paths[name])) == (tree / name).read_bytes()
        with pytest.raises(OSError) as refused:
            told(paths[name], 'xxh3')  # a tar has no such sums
        assert refused.value.errno == errno.ENODATA
    shown.unmount()
    quire('index', '--sums', *tars, '-o', scratch / 'index.quire')
    shown = mount(scratch / 'index.quire')
    paths = {path.name: path for path in pathlib.Path(shown.folder).rglob('0*') if path.is_file()}
    assert told(paths['00002'], 'xxh3') == xxh3((tree / '00002').read_bytes())


def test_a_list_that_no_attribute_can_hold_is_refused(scratch, pack, mount):
    with open(scratch / 'sparse', 'wb') as file:
        for number in range(5000):
            file.seek(number * 8192)
            file.write(b'data' * 1024)
    (scratch / 'tree').mkdir()
    os.rename(scratch / 'sparse', scratch / 'tree/sparse')
    pack(scratch / 'tree', scratch / 'tree.quire')
    shown = mount(scratch / 'tree.quire')
    with pytest.raises(OSError) as refused:
        told(shown / 'sparse', 'extents')
    assert refused.value.errno == errno.E2BIG
    assert told(shown / 'sparse', 'page') == '0'
