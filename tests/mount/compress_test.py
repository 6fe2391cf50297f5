#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: samples that a pack holds compressed are files like others, and damage to what is stored harms the samples that it hits."""
import errno
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import time

import harness
import pytest
import web

PAGE = 2 << 20
FRAME = 256 << 10
BLOCK = 65536  # of the index
TOGETHER = 64 << 10  # of small samples, in one frame


def text(size, seed):
    """Bytes that zstd makes less of."""
    return random.Random(seed).randbytes((size + 1) // 2).hex().encode()[:size]


def make_tree(folder):
    """Samples of all sizes and kinds, some of them worth compressing."""
    numbers = random.Random(1)
    for number in range(200):
        parent = folder / '/'.join(f'folder {numbers.randrange(3)}' for _ in range(numbers.randrange(4)))
        parent.mkdir(parents=True, exist_ok=True)
        size = numbers.choice([0, 1, 17, 300, 5000, 70_000, 300_000, 700_000])
        kind = numbers.choice(['txt', 'jpg', 'bin'])
        data = {'txt': text(size, number), 'jpg': numbers.randbytes(size), 'bin': bytes(size)}[kind]
        name = parent / f'sämple {number}.{kind}'
        name.write_bytes(data)
        name.chmod(numbers.choice([0o644, 0o600, 0o755]))
    (folder / 'long.txt').write_bytes(text(5 * PAGE + 77, 1))
    (folder / 'long.jpg').write_bytes(numbers.randbytes(3 * PAGE + 77))
    (folder / 'a frame.txt').write_bytes(text(FRAME, 2))
    (folder / 'zeros').write_bytes(bytes(20 * PAGE + 17))
    with open(folder / 'holes.txt', 'wb') as file:
        file.truncate(9 * PAGE)
        for place in (PAGE, 4 * PAGE + 4096):
            file.seek(place)
            file.write(text(1_300_000, place))
    (folder / 'link').symlink_to('long.txt')
    os.link(folder / 'long.txt', folder / 'folder 1/also long.txt')
    os.setxattr(folder / 'long.txt', 'user.label', b'cat')


@pytest.fixture(name='tree', scope='module')
def make_shared_tree(module_scratch):
    folder = module_scratch / 'tree'
    folder.mkdir()
    make_tree(folder)
    return folder


@pytest.fixture(name='words', scope='module', params=[(), ('--alone',)], ids=['together', 'alone'])
def make_words(request):
    return ('--compress', 'zstd', *request.param)


@pytest.fixture(name='packed', scope='module')
def make_shared_pack(module_scratch, tree, words):
    path = module_scratch / f'tree{len(words)}.quire'
    harness.pack(tree, path, *words)
    return path


@pytest.fixture(name='plain', scope='module')
def make_plain_pack(module_scratch, tree):
    harness.pack(tree, module_scratch / 'plain.quire')
    return module_scratch / 'plain.quire'


def assert_as(tree, image):
    """Of equal content, by two programs that share nothing with quire."""
    harness.run('diff', '-r', '--no-dereference', tree, image)
    said = harness.run('rsync', '-rlptgoHXcn', '--itemize-changes', '--delete', '--exclude', '/lost+found', f'{tree}/', f'{image}/').out
    assert said == ''


@pytest.mark.parametrize('options', [(), ('cache_size=8M',), ('direct_io',), ('push=off',), ('io=threads',)], ids=str)
def test_a_mount_equals_the_tree(mount, tree, packed, options):
    mounted = mount(packed, *options)
    for _ in range(2):
        assert_as(tree, mounted.path)
    harness.assert_same_tree(tree, mounted.path)


def test_it_is_smaller(packed, plain):
    # 42 MB are zeros, and hexadecimal digits come to a half.
    assert packed.stat().st_size < plain.stat().st_size - (40 << 20) - (4 << 20)


def test_every_command_reads_it(scratch, tree, packed, quire):
    quire('verify', packed)
    quire('diff', packed, tree)
    quire('extract', packed, '-C', scratch / 'out')
    assert_as(tree, scratch / 'out')
    (scratch / 'tar').mkdir()
    with subprocess.Popen([harness.QUIRE, 'export', packed], stdout=subprocess.PIPE) as export:
        subprocess.run(['tar', '--xattrs', '-x', '-C', scratch / 'tar'], stdin=export.stdout, check=True)
    assert export.returncode == 0
    harness.run('diff', '-r', '--no-dereference', tree, scratch / 'tar')
    assert quire('cat', packed, 'long.txt').stdout == (tree / 'long.txt').read_bytes()


def test_packing_it_again_gives_what_packing_the_tree_gives(scratch, packed, words, plain, quire):
    quire('pack', '--from', packed, '-o', scratch / 'plain.quire', '-q')
    assert (scratch / 'plain.quire').read_bytes() == plain.read_bytes()
    quire('pack', '--from', plain, '-o', scratch / 'compressed.quire', '-q', *words)
    assert (scratch / 'compressed.quire').read_bytes() == packed.read_bytes()
    quire('pack', '--from', packed, '-o', scratch / 'again.quire', '-q', *words, '-j', '1')
    assert (scratch / 'again.quire').read_bytes() == packed.read_bytes()


def test_reads_in_the_middle_of_a_large_sample(scratch, mount, pack):
    (scratch / 'tree').mkdir()
    data = text(100_000_000, 7)
    (scratch / 'tree/large.txt').write_bytes(data)
    pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd')
    mounted = mount(scratch / 'tree.quire', 'push=off', 'readahead=off')
    chance = random.Random(3)
    file = os.open(mounted / 'large.txt', os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    before = mounted.counters()['volume_bytes']
    reads = 200
    for _ in range(reads):
        at, size = chance.randrange(len(data)), chance.choice([1, 4096, 100_000])
        assert os.pread(file, size, at) == data[at:at + size]
    os.close(file)
    # A read decodes the frames that it touches, and a page sometimes: not all that lies before it.
    read_bytes = mounted.counters()['volume_bytes'] - before
    assert read_bytes < reads * 4 * FRAME


def coded_range(packed, member):
    """Where the stored bytes of a coded member lie."""
    data = packed.read_bytes()
    index = int.from_bytes(data[32:40], 'little')
    for number in range(int.from_bytes(data[20:24], 'little')):
        entry = data[192 + 32 * number:224 + 32 * number]
        if int.from_bytes(entry[:4], 'little') == 9:
            at = index + int.from_bytes(entry[16:24], 'little') + 40 * member
            begin = int.from_bytes(data[at + 8:at + 14], 'little')
            return begin, begin + int.from_bytes(data[at + 24:at + 32], 'little')
    raise AssertionError('no section of coded members')


@pytest.mark.parametrize('options', [(), ('direct_io',), ('push=off', 'cache_size=8M')], ids=str)
def test_a_damaged_byte_is_an_error_of_its_sample_only(scratch, mount, pack, quire, options):
    tree = scratch / 'tree'
    tree.mkdir()
    for number in range(100):
        (tree / f'{number:03}.txt').write_bytes(text(3000 + number, number))
    pack(tree, scratch / 'tree.quire', '--compress', 'zstd', '--alone')
    begin, end = coded_range(scratch / 'tree.quire', 50)
    harness.flip(scratch / 'tree.quire', (begin + end) // 2)
    quire('verify', scratch / 'tree.quire', status=1).says('050.txt', '1 fault')
    mounted = mount(scratch / 'tree.quire', *options)
    for number in range(100):
        path = mounted / f'{number:03}.txt'
        if number == 50:
            with pytest.raises(OSError) as failed:
                path.read_bytes()
            assert failed.value.errno == errno.EIO
        else:
            assert path.read_bytes() == text(3000 + number, number)
    extracted = quire('extract', '-k', scratch / 'tree.quire', '-C', scratch / 'out', status=1)
    assert extracted.says('050.txt')
    assert len(list((scratch / 'out').iterdir())) == 99


@pytest.mark.parametrize('options', [(), ('direct_io',), ('push=off', 'cache_size=8M')], ids=str)
def test_a_damaged_byte_is_an_error_of_those_that_were_compressed_with_it(scratch, mount, pack, quire, options):
    tree = scratch / 'tree'
    tree.mkdir()
    for number in range(100):
        (tree / f'{number:03}.txt').write_bytes(text(3000 + number, number))
    pack(tree, scratch / 'tree.quire', '--compress', 'zstd')
    begin, end = coded_range(scratch / 'tree.quire', 2)
    harness.flip(scratch / 'tree.quire', (begin + end) // 2)
    damaged = set(re.findall(r'([0-9]{3})\.txt', quire('verify', scratch / 'tree.quire', status=1).said))
    numbers = sorted(map(int, damaged))
    assert 15 < len(numbers) <= TOGETHER // 3000 and numbers == list(range(numbers[0], numbers[-1] + 1))
    mounted = mount(scratch / 'tree.quire', *options)
    for number in range(100):
        path = mounted / f'{number:03}.txt'
        if number in numbers:
            with pytest.raises(OSError) as failed:
                path.read_bytes()
            assert failed.value.errno == errno.EIO
        else:
            assert path.read_bytes() == text(3000 + number, number)
    quire('extract', '-k', scratch / 'tree.quire', '-C', scratch / 'out', status=1)
    assert len(list((scratch / 'out').iterdir())) == 100 - len(numbers)


@pytest.mark.parametrize('options', [(), ('direct_io', 'push=off')], ids=str)
def test_a_damaged_block_of_the_index_harms_the_members_in_it_only(scratch, mount, pack, quire, options):
    """Three blocks of records of 40 bytes."""
    tree = scratch / 'tree'
    tree.mkdir()
    for number in range(5000):
        (tree / f'{number:05}.txt').write_bytes(text(120, number))
    pack(tree, scratch / 'tree.quire', '--compress', 'zstd', '--alone', '--dict', 'none')
    data = (scratch / 'tree.quire').read_bytes()
    index = int.from_bytes(data[32:40], 'little')
    entries = [data[at:at + 32] for at in range(192, 192 + 32 * int.from_bytes(data[20:24], 'little'), 32)]
    [(begin, length)] = [struct.unpack_from('<2Q', entry, 16) for entry in entries if entry[0] == 9]
    assert length == 5000 * 40
    for block in range(begin // BLOCK + 1, (begin + length) // BLOCK):
        bad = scratch / f'{block}.quire'
        bad.write_bytes(data)
        harness.flip(bad, index + block * BLOCK + 100)
        # Records that touch the block, and the one behind, which is compared with its neighbour.
        first, last = (block * BLOCK - begin) // 40, ((block + 1) * BLOCK - 1 - begin) // 40 + 1
        quire('extract', '-k', bad, '-C', scratch / f'out-{block}', status=1)
        assert {int(path.stem) for path in (scratch / f'out-{block}').iterdir()} == set(range(5000)) - set(range(first, last + 1))
        mounted = mount(bad, *options, folder=scratch / f'mnt-{block}')
        for number in (0, 1, first - 2, first - 1, last + 1, last + 2, 4999):
            assert (mounted / f'{number:05}.txt').read_bytes() == text(120, number)
        for number in (first, (first + last) // 2, last):
            with pytest.raises(OSError) as failed:
                (mounted / f'{number:05}.txt').read_bytes()
            assert failed.value.errno == errno.EIO


def test_small_samples_of_all_sizes_side_by_side(scratch, mount, pack, quire):
    """At the borders of frames, of pieces of a page and of tasks."""
    chance = random.Random(9)
    sizes = [1, 7, 8, 9, 511, 512, 513, 4095, 4096, 16383, 16384, 16385, 32767, 65535, 65536, 65537]
    for number in range(3000):
        folder = scratch / f'tree/{number // 1000}'
        folder.mkdir(parents=True, exist_ok=True)
        size = chance.choice(sizes) if number % 2 else chance.randrange(3000)
        data = chance.randbytes(size) if number % 7 == 0 else text(size, number)
        (folder / f'{number:05}.{chance.choice(["txt", "json"])}').write_bytes(data)
    pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd')
    quire('verify', scratch / 'tree.quire')
    assert_as(scratch / 'tree', mount(scratch / 'tree.quire').path)
    assert_as(scratch / 'tree', mount(scratch / 'tree.quire', 'direct_io', 'admit=extent', 'cache_size=8M', folder=scratch / 'mnt2').path)
    told = json.loads(quire('info', scratch / 'tree.quire', '--json').out)['compression']
    files = [path for path in (scratch / 'tree').rglob('*') if path.is_file()]
    assert told['samples'] == len(files) and told['sample_bytes'] == sum(path.stat().st_size for path in files)
    assert told['sample_bytes'] / 3 < told['stored_bytes'] < told['sample_bytes'] * 0.8


def test_one_of_many_small_samples_costs_a_frame(scratch, mount, pack):
    (scratch / 'tree').mkdir()
    for number in range(5000):
        (scratch / f'tree/{number:04}.txt').write_bytes(text(2000, number))
    pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd')
    mounted = mount(scratch / 'tree.quire', 'push=off', 'readahead=off', 'admit=extent')
    before = mounted.counters()['volume_bytes']
    assert (mounted / '2500.txt').read_bytes() == text(2000, 2500)
    assert mounted.counters()['volume_bytes'] - before <= TOGETHER


def test_a_wrong_raw_length_is_an_error_of_its_sample_only(scratch, mount, pack, quire):
    tree = scratch / 'tree'
    tree.mkdir()
    for number in range(20):
        (tree / f'{number:03}.txt').write_bytes(text(3000, number))
    pack(tree, scratch / 'tree.quire', '--compress', 'zstd', '--alone')
    for size in (2999, 2000):
        # Member 10 declares another size than its frame has; the sums are good.
        harness.run(harness.find_program('forge_pack'), 'field', '9', '10', '16', '8', str(size), scratch / 'tree.quire',
                    scratch / f'{size}.quire')
        quire('verify', scratch / f'{size}.quire', status=1).says('010.txt')
        mounted = mount(scratch / f'{size}.quire', folder=scratch / f'mnt-{size}')
        for number in range(20):
            if number == 10:
                with pytest.raises(OSError) as failed:
                    (mounted / '010.txt').read_bytes()
                assert failed.value.errno == errno.EIO
            else:
                assert (mounted / f'{number:03}.txt').read_bytes() == text(3000, number)


def test_damage_that_passes_is_not_seen(scratch, mount, pack):
    (scratch / 'tree').mkdir()
    data = text(5000, 1)
    (scratch / 'tree/a.txt').write_bytes(data)
    pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd')
    mounted = mount(scratch / 'tree.quire', 'push=off')
    begin, _ = coded_range(scratch / 'tree.quire', 0)
    harness.flip(scratch / 'tree.quire', begin + 100)
    with pytest.raises(OSError):
        (mounted / 'a.txt').read_bytes()
    harness.flip(scratch / 'tree.quire', begin + 100)
    assert (mounted / 'a.txt').read_bytes() == data


def dictionary_range(packed):
    """Where the bytes of all dictionaries lie."""
    data = packed.read_bytes()
    index = int.from_bytes(data[32:40], 'little')
    for number in range(int.from_bytes(data[20:24], 'little')):
        entry = data[192 + 32 * number:224 + 32 * number]
        if int.from_bytes(entry[:4], 'little') == 11:
            begin = index + int.from_bytes(entry[16:24], 'little')
            return begin, begin + int.from_bytes(entry[24:32], 'little')
    raise AssertionError('no dictionaries')


def record_of(number):
    chance = random.Random(number)
    fields = {name: chance.randrange(10**6) for name in ('identifier', 'annotation_count', 'bounding_box', 'segmentation', 'category')}
    return json.dumps(fields | {'file_name': f'images/train/{number:08}.jpg'}, indent=2).encode()


def make_records(folder):
    """Samples that need a dictionary, and others that need none."""
    folder.mkdir()
    for number in range(500):
        (folder / f'{number:03}.json').write_bytes(record_of(number))
        (folder / f'{number:03}.txt').write_bytes(text(300 + 20 * number, number))


def test_small_samples_of_a_kind_share_a_dictionary(scratch, mount, pack, quire):
    make_records(scratch / 'tree')
    said = pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd:9', '--alone')
    assert said.says('with [12] dictionar')
    pack(scratch / 'tree', scratch / 'none.quire', '--compress', 'zstd:9', '--alone', '--dict', 'none').says('compressed')
    assert (scratch / 'tree.quire').stat().st_size < (scratch / 'none.quire').stat().st_size
    assert_as(scratch / 'tree', mount(scratch / 'tree.quire').path)
    told = json.loads(quire('info', scratch / 'tree.quire', '--json').out)['compression']
    by_suffix = {suffix['suffix']: suffix for suffix in told['suffixes']}
    assert by_suffix['.json']['samples'] == 500
    assert by_suffix['.json']['sample_bytes'] == sum(len(record_of(number)) for number in range(500))
    assert by_suffix['.json']['stored_bytes'] < by_suffix['.json']['sample_bytes'] / 3
    assert told['dictionaries'] >= 1 and told['dictionary_bytes'] > 0
    quire('info', scratch / 'tree.quire').says(r'\.json +500 samples')
    assert json.loads(quire('info', scratch / 'none.quire', '--json').out)['compression']['dictionaries'] == 0


def test_a_damaged_dictionary_is_an_error_of_the_samples_that_need_it(scratch, mount, pack, quire):
    make_records(scratch / 'tree')
    pack(scratch / 'tree', scratch / 'tree.quire', '--compress', 'zstd', '--alone')
    begin, end = dictionary_range(scratch / 'tree.quire')
    of_records = (scratch / 'tree.quire').read_bytes()[begin:end].index(b'annotation_count')
    # The sums of the index are good, and that of the dictionary is not.
    harness.run(harness.find_program('forge_pack'), 'field', '11', str(of_records), '0', '1', '255', scratch / 'tree.quire',
                scratch / 'bad.quire')
    quire('verify', scratch / 'bad.quire', status=1).says('index damaged: dictionary [12]: checksum mismatch', r'000\.json', r'499\.json')
    mounted = mount(scratch / 'bad.quire')
    for number in range(500):
        assert (mounted / f'{number:03}.txt').read_bytes() == text(300 + 20 * number, number)
        with pytest.raises(OSError) as failed:
            (mounted / f'{number:03}.json').read_bytes()
        assert failed.value.errno == errno.EIO


def test_info_of_a_pack_without_it_says_nothing_of_it(plain, quire):
    assert json.loads(quire('info', plain, '--json').out)['compression'] is None
    assert 'compression' not in quire('info', plain).out


@pytest.mark.parametrize('has_tier', [False, True], ids=['alone', 'tier'])
def test_a_pack_on_a_web_server_equals_the_tree(scratch, at_end, mount, quire, tree, packed, has_tier):
    served = scratch / 'served'
    served.mkdir()
    os.link(packed, served / 'tree.quire')
    url = web.Nginx(at_end, scratch, served).url + '/tree.quire'
    quire('verify', url)
    tier = [f'tier={scratch}/tier'] if has_tier else []
    for turn in range(1 + len(tier)):
        mounted = mount(url, *tier, folder=scratch / f'mnt-{turn}')
        harness.run('diff', '-r', '--no-dereference', tree, mounted.path)
        mounted.unmount()


def test_a_copy_of_one_on_a_web_server_is_the_pack(scratch, at_end, quire, packed):
    served = scratch / 'served'
    served.mkdir()
    os.link(packed, served / 'tree.quire')
    url = web.Nginx(at_end, scratch, served).url + '/tree.quire'
    quire('fetch', url, '-o', scratch / 'copy.quire')
    assert (scratch / 'copy.quire').read_bytes() == packed.read_bytes()
    begin, end = coded_range(packed, 3)
    (served / 'bad.quire').write_bytes(packed.read_bytes())
    harness.flip(served / 'bad.quire', (begin + end) // 2)
    quire('fetch', url.replace('tree.quire', 'bad.quire'), '-o', scratch / 'bad.quire', status=1).says('also the second time')
    assert not (scratch / 'bad.quire').exists()


def test_an_older_release_refuses_it(scratch, packed):
    """By the section that it does not know: what this release says of one that it does not know, since it has no older one."""
    data = bytearray(packed.read_bytes())
    sections = int.from_bytes(data[20:24], 'little')
    ids = [int.from_bytes(data[192 + 32 * number:196 + 32 * number], 'little') for number in range(sections)]
    place = 192 + 32 * ids.index(10)
    assert int.from_bytes(data[place + 4:place + 8], 'little') == 1, 'the flag required'
    harness.run(harness.find_program('forge_pack'), 'superblock', str(place), '4', '99', packed, scratch / 'newer.quire')
    harness.quire('info', scratch / 'newer.quire', status=1).says('required section 99 .unknown.', 'use a newer quire')


def test_a_packer_that_is_killed_leaves_nothing(scratch, tree):
    for delay in (0.02, 0.05, 0.1, 0.2, 0.4):
        process = subprocess.Popen([harness.QUIRE, 'pack', tree, '-o', scratch / 'out.quire', '-q', '--compress', 'zstd:19'])
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == 0:
            continue
        assert list(scratch.iterdir()) == [], f'after {delay} s'


def test_an_interrupted_packer_leaves_nothing_and_says_so(scratch, tree):
    process = subprocess.Popen([harness.QUIRE, 'pack', tree, '-o', scratch / 'out.quire', '--compress', 'zstd:19', '-j', '1'],
                               stderr=subprocess.PIPE)
    files = pathlib.Path(f'/proc/{process.pid}/fd')
    harness.until(20, lambda: any(str(scratch) in os.readlink(file) for file in files.iterdir()), 'it writes nothing')
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT and b'interrupted, nothing was written' in said
    assert list(scratch.iterdir()) == []


def test_a_pack_without_it_is_what_it_always_was(scratch, tree, plain, quire):
    quire('pack', tree, '-o', scratch / 'again.quire', '-q')
    assert (scratch / 'again.quire').read_bytes() == plain.read_bytes()


@pytest.mark.parametrize('words', [('--compress', 'lzma'), ('--compress', 'zstd:0'), ('--compress', 'zstd:20'), ('--compress', 'zstd:'),
                                   ('--compress', 'zstd', '--alone', '--dict', '1'), ('--compress', 'zstd', '--alone', '--dict', '129K'),
                                   ('--compress', 'zstd', '--alone', '--dict', 'many'), ('--dict', 'none'),
                                   ('--compress', 'zstd', '--dict', 'none'), ('--alone',)], ids=' '.join)
def test_wrong_words_are_wrong_usage(scratch, tree, quire, words):
    quire('pack', tree, '-o', scratch / 'out.quire', *words, status=2).says([word for word in words if word.startswith('--')][-1])
    assert not pathlib.Path(scratch / 'out.quire').exists()


def test_where_a_sample_lies_is_told(mount, packed):
    mounted = mount(packed)
    path = mounted / 'long.txt'
    assert os.fsdecode(os.getxattr(path, 'user.quire.volume')) == str(packed)
    extents = os.fsdecode(os.getxattr(path, 'user.quire.extents')).split(',')
    assert len(extents) == -(-(5 * PAGE + 77) // FRAME)
    assert len(os.getxattr(path, 'user.quire.xxh3').split(b',')) in (1, len(extents))
    assert json.loads(harness.quire('stats', mounted.folder, '--json').out)['schema'] == 1
