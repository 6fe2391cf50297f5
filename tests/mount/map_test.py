#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire map` shows the pages that are there and no others, in memory, in the page cache and in a tier, in every form; says
why where it cannot know; and believes nothing that a mount, a pack or a tier of somebody else's tells."""
import base64
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tarfile
import time
import xml.etree.ElementTree
import zipfile

import harness
import pytest
import scenario
import terminal
import tiers
import web

PAGE = 2 << 20
FOLIO = 4096
SAMPLES = 100
SAMPLE_BYTES = 150_000  # a pack of 8 pages
LEVELS = ('memory', 'handed_on', 'kernel', 'tier')

make_served, make_origin = tiers.make_served, web.make_origin


@pytest.fixture(name='tree')
def make_tree(scratch):
    tree = scratch / 'tree'
    tree.mkdir()
    contents = random.Random(5)
    for number in range(SAMPLES):
        (tree / f'{number:03}').write_bytes(contents.randbytes(SAMPLE_BYTES))
    return tree


@pytest.fixture(name='packed')
def make_pack(tree, scratch, pack):
    pack(tree, scratch / 'tree.quire')
    return scratch / 'tree.quire'


def map_of(source, *options):
    time.sleep(scenario.STATS_AGE_S)
    return json.loads(harness.quire('map', '--json', source, *options).out)


def pages_of(runs):
    """{1, 2, 9} of '1+2,9+1'."""
    return {page for run in filter(None, runs.split(','))
            for page in range(int(run.split('+')[0]), sum(map(int, run.split('+'))))}


def there(volume, level):
    """The pages of a volume of which anything is at a level."""
    return pages_of(volume[level]['whole']) | pages_of(volume[level]['part'])


def only_volume(document):
    assert len(document['volumes']) == 1, document
    return document['volumes'][0]


def read_alone(path):
    """Where the mount has direct_io it is asked for just this."""
    with open(path, 'rb', buffering=0) as file:
        return file.read(1 << 24)


def page_of(path):
    return int(os.getxattr(path, 'user.quire.page'))


def drop(path):
    """Nothing of the file is in the page cache then."""
    os.sync()
    with open(path, 'rb') as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_part(path, offset, count):
    """Of a file, and nothing around it."""
    with open(path, 'rb', buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert len(os.pread(file.fileno(), count, offset)) == count


# --- Memory

def test_what_is_read_is_its_pages_in_memory_and_no_others(packed, mount):
    shown = mount(packed, 'direct_io', 'admit=page', 'readahead=off')
    volume = only_volume(map_of(shown.folder))
    assert volume['path'] == str(packed) and volume['kind'] == 'file'
    assert volume['volume_bytes'] == packed.stat().st_size
    assert there(volume, 'memory') == set()
    wanted = set()
    for name in ('007', '050', '051', '099'):
        read_alone(shown / name)
        wanted |= {int(extent.split('+')[0]) // PAGE for extent in os.getxattr(shown / name, 'user.quire.extents').decode().split(',')}
        assert page_of(shown / name) in wanted
        shown.settle()
        volume = only_volume(map_of(shown.folder))
        assert pages_of(volume['memory']['whole']) == wanted, name
        assert volume['memory']['part'] == '' and volume['memory']['pages'] == len(wanted)
    assert 1 < len(wanted) < volume['pages']
    document = map_of(shown.folder)
    assert document['memory']['pages'] == len(wanted) == document['resident']['pages']
    assert document['mount_point'] == shown.folder and document['source'] == str(packed)
    assert volume['tier'] is None, 'a mount without a tier has pages in one'


def test_what_leaves_memory_leaves_the_map(packed, mount):
    shown = mount(packed, 'direct_io', 'admit=page', 'readahead=off', 'cache_size=8M')
    for number in range(SAMPLES):
        read_alone(shown / f'{number:03}')
    shown.settle()
    volume = only_volume(map_of(shown.folder))
    slots = shown.stats()['slots']
    assert 1 <= len(there(volume, 'memory')) <= slots < volume['pages']
    assert page_of(shown / '099') in there(volume, 'memory')
    assert int(os.getxattr(shown / '099', 'user.quire.resident')) == SAMPLE_BYTES
    for number in range(SAMPLES):
        resident = int(os.getxattr(shown / f'{number:03}', 'user.quire.resident'))
        extents = os.getxattr(shown / f'{number:03}', 'user.quire.extents').decode().split(',')
        expected = sum(int(extent.split('+')[1]) for extent in extents if int(extent.split('+')[0]) // PAGE in there(volume, 'memory'))
        assert resident == expected, number


def test_what_went_on_to_the_kernel_is_told_as_such(tree, packed, mount):
    shown = mount(packed, 'push=on')
    shown.await_memory()
    for name in sorted(os.listdir(shown.folder)):
        os.stat(shown / name)
    for name in sorted(os.listdir(tree)):
        assert (shown / name).read_bytes() == (tree / name).read_bytes()
    harness.until(20, lambda: len(there(only_volume(map_of(shown.folder)), 'handed_on')) > 0, 'nothing was handed on')
    document = map_of(shown.folder)
    assert document['handed_on']['pages'] <= document['pages']
    volume = only_volume(document)
    assert document['resident']['pages'] == len(set().union(*(there(volume, level) for level in ('memory', 'kernel')))), \
        'what the kernel may have let go of counts as resident'

    def are_gone_on():
        volume = only_volume(map_of(shown.folder))
        return there(volume, 'handed_on') - there(volume, 'memory')

    harness.until(30, are_gone_on, 'what left memory is no longer handed on')


def test_the_control_file_is_what_its_page_says(packed, mount):
    shown = mount(packed, 'direct_io', 'admit=page', 'readahead=off')
    read_alone(shown / '000')
    shown.settle()
    time.sleep(scenario.STATS_AGE_S)
    document = json.loads((shown / '.quire/pages').read_bytes())
    assert document['schema'] == 1 and document['page_bytes'] == PAGE and document['left_out_volumes'] == 0
    volume = document['volumes'][0]
    status = packed.stat()
    assert (volume['device'], volume['inode']) == (status.st_dev, status.st_ino)
    assert volume['memory_pages'] == len(pages_of(volume['memory'])) == 1
    assert volume['error'] is None and volume['tier'] is None


# --- The kernel's page cache

@pytest.mark.parametrize('is_mounted', [False, True], ids=['pack', 'mount'])
def test_the_page_cache_has_what_was_read_of_the_file(packed, mount, is_mounted):
    source = mount(packed).folder if is_mounted else packed
    drop(packed)
    for _ in range(2):
        document = map_of(source)
        assert document['kernel'] == {'pages': 0, 'bytes': 0, 'why': None}, 'to look changed what is cached'
    read_part(packed, 2 * PAGE, PAGE)
    read_part(packed, 5 * PAGE + 8 * FOLIO, FOLIO)
    volume = only_volume(map_of(source))
    assert volume['kernel']['whole'] == '2+1' and volume['kernel']['part'] == '5+1'
    assert volume['kernel']['bytes'] == PAGE + FOLIO and volume['kernel']['pages'] == 2
    drop(packed)
    assert only_volume(map_of(source))['kernel']['pages'] == 0
    if not is_mounted:
        assert map_of(source)['memory'] is None, 'what is not mounted has memory'


def test_a_pack_that_was_replaced_is_not_taken_for_the_one_that_is_mounted(packed, mount, scratch):
    shown = mount(packed)
    shutil.copy(packed, scratch / 'copy')
    os.rename(scratch / 'copy', packed)
    volume = only_volume(map_of(shown.folder))
    assert volume['kernel']['pages'] is None and 'another file' in volume['kernel']['why']
    os.unlink(packed)
    assert 'No such file' in only_volume(map_of(shown.folder))['kernel']['why']
    assert only_volume(map_of(shown.folder))['memory']['pages'] is not None


def test_on_overlayfs_the_file_below_is_asked(packed, scratch, at_end):
    if not harness.is_root():
        pytest.skip('needs root, to mount an overlay')
    for name in ('lower', 'upper', 'work', 'merged'):
        (scratch / name).mkdir()
    shutil.copy(packed, scratch / 'lower/a.quire')
    options = ','.join(f'{name}dir={scratch / name}' for name in ('lower', 'upper', 'work'))
    if harness.run('mount', '-t', 'overlay', 'overlay', '-o', options, scratch / 'merged', status=None).returncode != 0:
        pytest.skip('no overlay can be mounted here')
    at_end.callback(harness.run, 'umount', scratch / 'merged')
    drop(scratch / 'lower/a.quire')
    drop(scratch / 'merged/a.quire')
    read_part(scratch / 'merged/a.quire', PAGE, PAGE)
    assert only_volume(map_of(scratch / 'merged/a.quire'))['kernel']['whole'] == '1+1'


# --- Tiers

def test_a_tier_has_what_was_read_also_when_nothing_is_mounted(tree, packed, mount, scratch):
    tier = scratch / 'tier'
    shown = mount(packed, f'tier={tier}', 'prefetch=off', 'direct_io', 'readahead=off')
    read_alone(shown / '050')
    page = page_of(shown / '050')
    tiers.await_kept(shown)
    shown.settle()
    mounted = map_of(shown.folder)
    assert there(only_volume(mounted), 'tier') == {page}
    assert mounted['tier']['bytes'] == PAGE, 'a page is kept whole'
    shown.unmount()
    unmounted = map_of(packed, '--tier', tier)
    assert only_volume(unmounted)['tier'] == only_volume(mounted)['tier']
    assert unmounted['memory'] is None and unmounted['mount_point'] is None
    assert map_of(packed)['tier'] is None
    (tree / '050').write_bytes(b'another')
    harness.pack(tree, packed, '--force')
    assert map_of(packed, '--tier', tier)['tier']['pages'] == 0, 'the tier has another state of the pack'


def test_a_tier_of_a_pack_far_away(origin, served, mount, scratch, quire):
    tier = scratch / 'tier'
    shown = mount(origin.url, f'tier={tier}', 'prefetch=off', 'direct_io')
    read_alone(shown / '003')
    tiers.await_kept(shown)
    volume = only_volume(map_of(shown.folder))
    assert volume['kind'] == 'url' and volume['kernel'] is None
    assert page_of(shown / '003') in there(volume, 'tier')
    assert volume['volume_bytes'] == (served / 'tree.quire').stat().st_size
    shown.unmount()
    asked = len(origin.seen)
    assert there(only_volume(map_of(origin.url, '--tier', tier)), 'tier') == there(volume, 'tier')
    assert len(origin.seen) == asked, 'the server was asked'
    assert quire('map', origin.url, status=2).says('give --tier')
    assert quire('map', origin.url + '.other', '--tier', tier, status=1).says('holds nothing of', 'quire tier ls')
    assert quire('map', origin.url, '--tier', scratch, status=1).says('is no tier')


def test_a_tiers_files_are_not_believed(packed, mount, scratch, quire):
    tier = scratch / 'tier'
    shown = mount(packed, f'tier={tier}', 'prefetch=off', 'direct_io')
    read_alone(shown / '050')
    tiers.await_kept(shown)
    record = next(tier.glob('volumes/*/map'))
    good = record.read_bytes()

    def why(change):
        change()
        reason = only_volume(map_of(shown.folder))['tier']['why']
        assert only_volume(map_of(shown.folder))['tier']['pages'] is None
        if record.is_symlink() or record.is_fifo():
            record.unlink()
        record.write_bytes(good)
        return reason

    assert 'cut off' in why(lambda: os.truncate(record, len(good) - 1))
    assert 'truncated' in why(lambda: os.truncate(record, 100))
    assert 'no map of a tier' in why(lambda: record.write_bytes(b'\0' * len(good)))
    size = scratch / 'passwd'
    size.write_bytes(good)
    assert 'symbolic links' in why(lambda: (record.unlink(), record.symlink_to(size)))
    assert 'no file' in why(lambda: (record.unlink(), os.mkfifo(record)))
    assert only_volume(map_of(shown.folder))['tier']['pages'] == 1
    assert quire('map', shown.folder).says('tier +1 page')


# --- Archives

def test_an_archive_in_place_has_its_pages_and_those_of_its_index(tree, mount, scratch, quire):
    archive = scratch / 'tree.tar'
    with tarfile.open(archive, 'w') as writer:
        for number in range(5000):  # headers alone: the first pages of the archive have no sample
            writer.addfile(tarfile.TarInfo(f'empty/{number}'))
        for name in sorted(os.listdir(tree)):
            writer.add(tree / name, name)
    shown = mount(archive, 'direct_io', 'admit=page', 'readahead=off')
    read_alone(shown / '042')
    assert page_of(shown / '000') > 0
    shown.settle()
    volumes = {volume['path']: volume for volume in map_of(shown.folder)['volumes']}
    assert os.getxattr(shown / '042', 'user.quire.volume').decode() == str(archive)
    assert len(volumes) == 2
    assert {page_of(shown / '042')} <= there(volumes[str(archive)], 'memory') <= {page_of(shown / '042'), page_of(shown / '042') + 1}
    drop(archive)
    read_part(archive, 3 * PAGE, PAGE)
    assert {volume['path']: volume for volume in map_of(shown.folder)['volumes']}[str(archive)]['kernel']['whole'] == '3+1'
    assert only_volume(map_of(archive))['kernel']['whole'] == '3+1', 'of the archive without its mount'
    assert quire('map', shown.folder).says(re.escape(str(archive)))


def test_shards_are_shown_one_after_the_other(tree, mount, scratch, quire):
    for shard in range(3):
        with tarfile.open(scratch / f'shard-{shard}.tar', 'w') as archive:
            for number in range(shard, SAMPLES, 3):
                archive.add(tree / f'{number:03}', f'{number:03}')
    pattern = f'{scratch}/shard-{{0..2}}.tar'
    shown = mount(pattern, 'direct_io', 'admit=page', 'readahead=off')
    read_alone(shown / '001')
    shown.settle()
    document = map_of(shown.folder)
    shards = [volume for volume in document['volumes'] if volume['path'].endswith('.tar')]
    assert [os.path.basename(volume['path']) for volume in shards] == [f'shard-{i}.tar' for i in range(3)]
    assert [len(there(volume, 'memory')) for volume in shards] == [0, 1, 0]
    assert [volume['path'] for volume in map_of(pattern)['volumes']] == [f'{scratch}/shard-{i}.tar' for i in range(3)]
    lines = quire('map', pattern).out.splitlines()
    titles = [lines.index(f'{scratch}/shard-{i}.tar: each cell is 1 page, 2.0 MiB') for i in range(3)]
    assert titles == sorted(titles)


def test_of_thousands_of_shards_the_first_are_told(mount, scratch, quire):
    shards = 4100
    (scratch / 'shards').mkdir()
    for shard in range(shards):
        with tarfile.open(scratch / f'shards/{shard:04}.tar', 'w') as archive:
            member = tarfile.TarInfo(f'{shard:04}')
            member.size = 5
            archive.addfile(member, io.BytesIO(b'bytes'))
    quire('index', '--progress', 'never', f'{scratch}/shards/{{0000..{shards - 1}}}.tar', '-o', scratch / 'shards.quire')
    shown = mount(scratch / 'shards.quire', 'direct_io', 'admit=page')
    assert read_alone(shown / '0007') == b'bytes'
    shown.settle()
    document = map_of(shown.folder)
    assert len(document['volumes']) == 4096 and document['left_out_volumes'] == shards + 1 - 4096
    held = [os.path.basename(volume['path']) for volume in document['volumes'] if there(volume, 'memory')]
    assert held == ['0007.tar']
    done = quire('map', shown.folder)
    assert done.says('first 4096 volumes; 5 more') and len(done.out.splitlines()) <= 24


def test_a_shard_that_is_gone_is_named(tree, mount, scratch, quire):
    for shard in range(2):
        with tarfile.open(scratch / f'shard-{shard}.tar', 'w') as archive:
            archive.add(tree / f'{shard:03}', f'{shard:03}')
    quire('index', f'{scratch}/shard-{{0..1}}.tar', '-o', scratch / 'index.quire')
    os.unlink(scratch / 'shard-1.tar')
    for source in (mount(scratch / 'index.quire').folder, scratch / 'index.quire'):
        gone = map_of(source)['volumes'][2]
        assert 'shard-1.tar' in gone['error'] and gone['kernel']['pages'] is None
        assert quire('map', source).says('shard-1.tar', 'unknown of 1 of 3 volumes')


def test_what_is_inflated_has_pages_of_its_own(mount, scratch):
    with zipfile.ZipFile(scratch / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f'{number:02}', random.Random(number).randbytes(1000) * 150)
    shown = mount(scratch / 'a.zip', 'direct_io', 'admit=page', 'readahead=off')
    read_alone(shown / '20')
    shown.settle()
    decoded = [volume for volume in map_of(shown.folder)['volumes'] if volume['kind'] == 'decoded']
    assert len(decoded) == 1 and len(there(decoded[0], 'memory')) == 1
    assert decoded[0]['kernel'] is None and decoded[0]['tier'] is None, 'what is in no file is in the page cache'


# --- Others

def test_who_may_see_what(packed, mount, ordinary_user, quire):
    if not harness.is_root():
        pytest.skip('needs root, to be two users')
    tier = packed.parent / 'tier'
    packed.chmod(0o644)

    def of_user(folder, status=0):
        done = ordinary_user.run(ordinary_user.quire, 'map', folder, status=status)
        done.said = re.sub(r'\s+', ' ', done.said)  # without the breaks of lines
        return done

    closed = mount(packed, 'allow_other')
    assert of_user(closed.folder, 1).says('for root and the user who mounted', 'control=all')
    closed.unmount()
    shown = mount(packed, 'allow_other', 'control=all', f'tier={tier}', 'prefetch=off', 'direct_io', 'admit=page', 'readahead=off')
    read_alone(shown / '003')
    tiers.await_kept(shown)
    time.sleep(scenario.STATS_AGE_S)
    assert of_user(shown.folder).says('memory [1-9]', 'page cache unknown: .*owner|page cache [0-9]', 'tier unknown: .*permission denied')
    document = json.loads(ordinary_user.run(ordinary_user.quire, 'map', '--json', shown.folder).out)
    assert document['tier']['pages'] is None, 'what is not known is 0'
    assert document['kernel']['pages'] is None or document['kernel']['pages'] < document['pages'], 'mincore(2) is believed'
    assert of_user(packed).says('page cache unknown: .*owner|page cache [0-9]')
    packed.chmod(0o600)
    assert of_user(packed, 1).says('permission denied')
    assert f'unknown: {packed}' in of_user(shown.folder).said or 'page cache unknown: /proc' in of_user(shown.folder).said
    assert of_user(tier, 1).says('no pack is mounted')
    assert quire('map', shown.folder).says('memory +[1-9]')


def test_mounts_of_others_are_told_to_root(packed, ordinary_user, at_end, quire):
    if not harness.is_root():
        pytest.skip('needs root, to look at a mount of another user')
    if os.stat('/dev/fuse').st_mode & 0o006 != 0o006:
        pytest.skip('/dev/fuse is not for others here')
    own = ordinary_user.home / 'own.quire'
    shutil.copy(packed, own)
    shutil.chown(own, ordinary_user.name)
    ordinary_user.run('mkdir', ordinary_user.home / 'mnt')
    at_end.callback(harness.take_down, ordinary_user.home / 'mnt')
    ordinary_user.run(ordinary_user.quire, 'mount', own, ordinary_user.home / 'mnt')
    assert quire('map', ordinary_user.home / 'mnt').says('memory', 'page cache +[0-9]')
    assert ordinary_user.run(ordinary_user.quire, 'map', ordinary_user.home / 'mnt').says('page cache +[0-9]')


# A pack whose root has an entry `.quire` shows that, and its maker has written what is in it.
@pytest.fixture(name='lie')
def make_liar(scratch, pack, mount):
    def lie(content):
        folder = scratch / f'lie-{len(list(scratch.iterdir()))}'
        (folder / '.quire').mkdir(parents=True)
        (folder / '.quire/pages').write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        pack(folder, f'{folder}.quire')
        return mount(f'{folder}.quire', folder=f'{folder}.mnt').folder
    return lie


def told_volume(path, **fields):
    return {'path': str(path), 'kind': 'file', 'volume_bytes': 3 * PAGE, 'device': 0, 'inode': 0, 'error': None,
            'memory': '0+3', 'handed_on': '', 'tier': None} | fields


def told(*volumes, **fields):
    return {'schema': 1, 'pack': 'a', 'mount_point': 'b', 'volumes': list(volumes)} | fields


def test_a_map_of_anybodys_is_not_believed(lie, scratch, quire):
    for content in (b'', b'\xff' * 100, b'[' * 50_000, b'{"schema": 1}', told(1), told(told_volume('a', memory='2+2')),
                    told(told_volume('a', volume_bytes=1 << 62)), told(told_volume('a', kind=3)), told(told_volume('a', memory='0+1,0+1'))):
        assert quire('map', lie(content), status=1).says("'pages' of the mount is none")
    assert quire('map', lie(told(schema=9)), status=1).says('schema 9')
    # A file that it names is looked at only if it is the one that it says, and pipes and devices are never opened.
    os.mkfifo(scratch / 'pipe')
    pipe = os.stat(scratch / 'pipe')
    null = os.stat('/dev/null')
    shadow = scratch / 'secret'
    shadow.write_bytes(b'x' * FOLIO)
    for volume in (told_volume(shadow), told_volume('/dev/null', device=null.st_dev, inode=null.st_ino),
                   told_volume(scratch / 'pipe', device=pipe.st_dev, inode=pipe.st_ino), told_volume('../../etc/passwd'), told_volume('')):
        assert only_volume(map_of(lie(told(volume))))['kernel']['pages'] is None
    # A tier that is none.
    for tier in ('/', '/etc', str(scratch), '/proc/self', 'relative'):
        found = only_volume(map_of(lie(told(told_volume('a', tier=tier)))))['tier']
        assert found is None or found['bytes'] in (None, 0)


def test_nothing_of_it_steers_a_terminal(lie, quire):
    evil = 'a\x1b]0;owned\x07\x1b[31m\n\u202e'
    folder = lie(told(told_volume(evil, error=evil, kind=evil, tier='/' + evil), told_volume('b', path_base64=base64.b64encode(b'\xff\x1b[1m').decode()), pack=evil))
    for options in ((), ('--json',), ('--color', 'always')):
        done = quire('map', folder, *options)
        text = re.sub(r'\x1b\[[0-9;]*m', '', done.out) if options == ('--color', 'always') else done.out
        assert not re.search('[\x00-\x09\x0b-\x1f\x7f\u202e]', text), text
    assert 'owned' in quire('map', folder).out


def test_a_mount_that_does_not_answer_keeps_nobody_waiting(packed, mount, quire, at_end):
    shown = mount(packed)
    daemon = shown.daemon()
    os.kill(daemon, signal.SIGSTOP)
    at_end.callback(os.kill, daemon, signal.SIGCONT)
    begun = time.monotonic()
    assert quire('map', shown.folder, status=1).says('stopped|does not answer')
    assert time.monotonic() - begun < 15


def test_what_is_no_pack_is_said_to_be_none(packed, mount, scratch, quire):
    assert quire('map', scratch, status=1).says('no pack is mounted')
    assert quire('map', scratch / 'none', status=1).says('no such file')
    assert quire('map', '/dev/null', status=2).says('neither a pack')
    os.mkfifo(scratch / 'pipe')
    assert quire('map', scratch / 'pipe', status=2).says('neither a pack')
    shown = mount(packed)
    assert quire('map', shown.folder, '--tier', scratch, status=2).says('not mounted')
    assert quire('map', packed, '--tier', scratch, status=1).says('is no tier')
    assert quire('map', packed, '--svg', scratch / 'none/a.svg', status=1).says('no such file')
    quire('map', status=2)


# --- Pictures

@pytest.fixture(name='mapped')
def make_levels(packed, mount, scratch):
    """A mount with pages in memory, in the page cache and in a tier, and without."""
    shown = mount(packed, f'tier={scratch / "tier"}', 'prefetch=off', 'direct_io', 'readahead=off', 'admit=page')
    read_alone(shown / '000')
    tiers.await_kept(shown)
    shown.settle()
    drop(packed)
    read_part(packed, 4 * PAGE, PAGE)
    return shown.folder


def test_the_svg_parses_and_names_each_page(mapped, scratch, quire):
    quire('map', mapped, '--svg', scratch / 'map.svg')
    root = xml.etree.ElementTree.parse(scratch / 'map.svg').getroot()
    assert root.tag.endswith('svg')
    titles = {title.text for title in root.iter('{http://www.w3.org/2000/svg}title')}
    assert {'page 0: memory, 100 %', 'page 4: page cache, 100 %', 'page 1: nowhere'} <= titles, titles
    text = ' '.join(element.text for element in root.iter('{http://www.w3.org/2000/svg}text'))
    assert 'Resident pages: 2/' in text and 'memory: 1 page' in text


def test_the_png_decodes_and_has_the_colours(mapped, scratch, quire):
    image_module = pytest.importorskip('PIL.Image', reason="no python3-pil")
    quire('map', mapped, '--png', scratch / 'map.png')
    image = image_module.open(scratch / 'map.png')
    image.load()
    assert image.format == 'PNG' and image.mode == 'RGB' and image.size[0] == 1440
    assert 'tree.quire' in image.text['Title']
    colours = {colour for _, colour in image.getcolors(1 << 16)}
    assert {(0xd5, 0x5e, 0x00), (0x00, 0x72, 0xb2), (0x00, 0x9e, 0x73), (0xe6, 0xe9, 0xed)} <= colours
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_in_letters_fits_80_columns(mapped, quire):
    lines = quire('map', mapped).out.splitlines()
    assert lines[1].startswith('Resident pages: 2/')
    assert re.fullmatch(r'M{4}\.{4}\.{4}\.{4}P{4}(\.{4})*', lines[2]), lines[2]
    assert max(len(line) for line in lines[1:]) <= 80 and '\x1b' not in ''.join(lines)
    assert any(line.startswith('Mm memory') for line in lines) and any(line.startswith('Tt tier') for line in lines)


@pytest.mark.parametrize('columns', [40, 132])
def test_a_terminal_shows_colours_in_its_width(mapped, columns):
    environment = {**os.environ, 'TERM': 'xterm-256color', 'COLORTERM': 'truecolor', 'LC_ALL': 'C.UTF-8'}
    environment.pop('NO_COLOR', None)
    status, written = terminal.run([harness.QUIRE, 'map', mapped], columns, 'stdout', environment)
    assert status == 0
    text = written.decode()
    assert '\x1b[38;2;240;131;58m\u2588' in text, 'no page in memory is shown in its colour'
    for line in re.sub(r'\x1b\[[0-9;]*m', '', text).split('\r\n')[1:]:
        assert len(line) <= columns, line
    assert len(text.split('\r\n')) <= 24


def test_large_packs_are_drawn_in_a_moment(scratch, quire):
    """A pack of a TiB, as it were: cells have many pages each."""
    huge = scratch / 'huge'
    with open(huge, 'wb') as file:
        file.truncate(1 << 40)
    begun = time.monotonic()
    lines = quire('map', huge, '--svg', scratch / 'a.svg', '--png', scratch / 'a.png').out.splitlines()
    assert time.monotonic() - begun < 30
    assert len(lines) < 24 and 'each cell is' in ' '.join(lines)
    document = map_of(huge)
    assert document['pages'] == 1 << 19 and document['kernel']['bytes'] == 0
    assert len(io.BytesIO((scratch / 'a.svg').read_bytes()).getvalue()) < 4 << 20
