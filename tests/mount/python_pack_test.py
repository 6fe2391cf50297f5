#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: quire.open() of the Python package, which was written from FORMAT.md alone, reads what `quire pack` wrote, byte for byte, and of
a damaged, hostile or far pack the right bytes or an error."""
import concurrent.futures
import contextlib
import os
import pathlib
import pickle
import random
import re
import shutil
import socket
import stat
import sys
import threading
import time
import warnings

import harness
import pytest
import quire
import trees
import web
from opened_packs import assert_shows, contents
from pack_layout import Damage, Layout
from quire.pack import web as quire_web
from quire.pack import xxh3
from random_tree import RandomTree

PACKAGE = harness.REPOSITORY / 'packaging/python'
SLOT_BYTES = 4096

make_served = web.served_pack(30)
make_origin = web.make_origin


@pytest.fixture(name='small')
def make_small(scratch, pack):
    """A tree and its pack, of which every byte of the index can be damaged in turn."""
    tree = scratch / 'small'
    trees.make_samples(tree, 3, 20, 300)
    (tree / 'large').write_bytes(trees.random_bytes(5 << 20, 3))
    trees.make_sparse(tree / 'sparse', 900000, (0, 300000))
    os.link(tree / '000/00001.bin', tree / 'hard')
    (tree / 'symlink').symlink_to('001/00002.bin')
    pack(tree, scratch / 'small.quire')
    return tree


def forge(*arguments):
    harness.run(harness.find_program('forge_pack'), *arguments)


def seal(data, slot=0):
    """Makes the sum of a superblock right."""
    at = slot * SLOT_BYTES
    data[at + 4088:at + SLOT_BYTES] = xxh3.xxh3_64(bytes(data[at:at + 4088])).to_bytes(8, 'little')


@pytest.mark.parametrize('seed', [1, 2, 3])
@pytest.mark.parametrize('order', ['path', 'shuffle:7'])
def test_random_trees(scratch, pack, seed, order):
    tree = RandomTree(random.Random(seed), scratch / 'tree', 200)
    pack(scratch / 'tree', scratch / 'tree.quire', '--order', order)
    with quire.open(scratch / 'tree.quire') as opened:
        assert_shows(opened, scratch / 'tree')
        for path in tree.symlinks:
            if path not in tree.escapes and b'\0' not in path:
                there = os.path.isfile(tree.full(path)) and os.path.realpath(tree.full(path)).startswith(tree.top + b'/')
                assert opened.isfile(path) == there, path


def test_mapping(small, scratch):
    opened = quire.open(scratch / 'small.quire')
    sample = (small / '000/00001.bin').read_bytes()
    for path in ('000/00001.bin', '/000//./00001.bin', b'000/00001.bin', pathlib.PurePosixPath('000/00001.bin'), 'hard', '001/../hard'):
        assert opened[path] == sample, path
    assert opened['symlink'] == opened['001/00002.bin']
    for missing in ('', '000', 'nothing', '000/00001.bin/', '000/00001.bin/x', '../small', 'hard\0', '0' * 300):
        assert missing not in opened or missing.endswith('/'), missing
        if not missing.endswith('/'):
            with pytest.raises(KeyError):
                opened[missing]  # pylint: disable=pointless-statement
    for call in (opened.open, opened.stat, opened.listdir, opened.xattrs, opened.place, opened.readlink):
        with pytest.raises(FileNotFoundError, match='no.such'):
            call('no.such')
    with pytest.raises(IsADirectoryError):
        opened.open('000')
    with pytest.raises(NotADirectoryError):
        opened.listdir('hard')
    assert [path for path, _ in opened.walk('001')] == [f'001/{name:05}.bin' for name in range(20)]
    opened.close()
    with pytest.raises(quire.SourceError):
        opened['large']  # pylint: disable=pointless-statement


def test_files_are_read_in_parts(small, scratch):
    opened = quire.open(scratch / 'small.quire', max_sample_bytes=1 << 20)
    chance = random.Random(5)
    with pytest.raises(quire.Error, match='large.*max_sample_bytes'):
        opened['large']  # pylint: disable=pointless-statement
    for name in ('large', 'sparse', '000/00000.bin'):
        with opened.open(name) as ours, open(small / name, 'rb') as theirs:
            for _ in range(100):
                at, count = chance.randrange(os.path.getsize(small / name) + 10), chance.randrange(100000)
                ours.seek(at)
                theirs.seek(at)
                assert ours.read(count) == theirs.read(count), (name, at, count)
            ours.seek(-3, os.SEEK_END)
            assert ours.read(10) == (small / name).read_bytes()[-3:]


def test_hole_of_eight_exabytes(scratch, pack):
    """What costs nothing to pack must cost nothing to look at."""
    (scratch / 'tree').mkdir()
    trees.make_sparse(scratch / 'tree/huge', 1 << 42, (0, 1 << 41))
    pack(scratch / 'tree', scratch / 'tree.quire')
    opened = quire.open(scratch / 'tree.quire')
    with pytest.raises(quire.Error, match='read it in parts'):
        opened['huge']  # pylint: disable=pointless-statement
    with opened.open('huge') as sample:
        sample.seek((1 << 41) - 10)
        assert sample.read(5010) == bytes(10) + trees.random_bytes(5000, 1 << 41)
        sample.seek(-10, os.SEEK_END)
        assert sample.read() == bytes(10)


def test_example_of_the_page(scratch):
    """The pack that FORMAT.md works by hand, from the digits on that page."""
    page = (harness.REPOSITORY / 'format/FORMAT.md').read_text()
    rows = re.findall(r'^    ([0-9a-f]{5}): ((?:[0-9a-f]{2} ){8,16})', page, re.MULTILINE)
    assert len(rows) > 30
    data = bytearray(0x31c8)
    for at, row in rows:
        data[int(at, 16):int(at, 16) + len(bytes.fromhex(row))] = bytes.fromhex(row)
    (scratch / 'hand.quire').write_bytes(data)
    opened = quire.open(scratch / 'hand.quire')
    assert dict(opened) == {'a': b'hi\n'} and opened.readlink('l') == 'a' and opened['l'] == b'hi\n'
    assert opened.stat('a') == quire.Stat(stat.S_IFREG | 0o644, 2, 1, 1000, 1000, 3, 981173106 * 10 ** 9 + 7)


def test_kept_pack_of_the_first_release():
    opened = quire.open(harness.REPOSITORY / 'tests/data/reads-format-2.0.quire')
    assert opened['zz/hard'] == opened['dir/a'] and len(opened) == 6
    with pytest.raises(quire.UnsupportedError, match='format 1'):
        quire.open(harness.REPOSITORY / 'tests/data/refuses-format-1.0.quire')


def test_which_slot(small, scratch):  # pylint: disable=unused-argument
    """As "Which slot" of FORMAT.md says."""
    whole = (scratch / 'small.quire').read_bytes()

    def opened(change):
        data = bytearray(whole)
        change(data)
        (scratch / 'changed.quire').write_bytes(data)
        return quire.open(scratch / 'changed.quire').superblock.generation

    def second(data, generation=2):
        data[SLOT_BYTES:2 * SLOT_BYTES] = data[:SLOT_BYTES]
        data[SLOT_BYTES + 24:SLOT_BYTES + 32] = generation.to_bytes(8, 'little')
        seal(data, 1)

    def change(at, value, slot=0):
        def changed(data):
            second(data)
            data[slot * SLOT_BYTES + at] = value
            seal(data, slot)
        return changed

    def torn(data):
        second(data)
        data[SLOT_BYTES + 100] ^= 1

    assert opened(second) == 2
    assert opened(torn) == 1
    for slot in range(2):
        for at, value in ((8, 3), (12, 1)):  # major, required features: not understood
            with pytest.raises(quire.UnsupportedError):
                opened(change(at, value, slot))
        for at, value in ((20, 3), (24, 0), (32, 1), (40, 255), (48, 1), (64, 9), (72, 255), (192, 9)):  # impossible
            with pytest.raises((quire.DamagedError, quire.UnsupportedError)):
                opened(change(at, value, slot))
    with pytest.raises(quire.DamagedError, match='generation 3 in slot 1'):
        opened(lambda data: second(data, 3))
    with pytest.raises(quire.DamagedError, match='never completed'):
        opened(lambda data: data.__setitem__(slice(0, SLOT_BYTES), bytes(SLOT_BYTES)))


def test_damage_is_an_error_or_harmless(small, scratch, tally):
    """Bytes of slots, index and samples are changed: no wrong byte is handed out, and what does not depend on them is read."""
    whole = (scratch / 'small.quire').read_bytes()
    layout = Layout(whole)
    names = {node.path: node for node in layout.nodes if node.path and node.extents}
    right = contents(small)
    chance = random.Random(11)
    places = [*range(0, SLOT_BYTES, 61), *range(layout.index_at, layout.end, 23), *(chance.randrange(8192, layout.index_at) for _ in range(60))]
    for at in places:
        bad = bytearray(whole)
        bad[at] ^= chance.randrange(1, 256)
        (scratch / 'bad.quire').write_bytes(bad)
        damage = Damage(layout, bytes(bad))
        try:
            opened = quire.open(scratch / 'bad.quire')
        except quire.Error:
            assert damage.is_in_index
            continue
        with opened:
            for name in chance.sample(sorted(names), 8) + [names[path].path for path in names if names[path].number in damage.hit][:5]:
                try:
                    assert opened[name] == right[name], (at, name)
                except quire.DamagedError as error:
                    assert name in str(error) and (not damage.spares(names[name]) or names[name].number in damage.hit), (at, name, error)
    tally(len(places), 'damaged packs read by quire.open()')


def test_large_folder_around_a_damaged_block(scratch, pack):
    """A search goes around: nearly all other names of the folder are found."""
    (scratch / 'tree').mkdir()
    for number in range(9000):
        (scratch / f'tree/{number:05}').write_bytes(b'%d' % number)
    pack(scratch / 'tree', scratch / 'tree.quire')
    data = bytearray((scratch / 'tree.quire').read_bytes())
    layout = Layout(bytes(data))
    middle = layout.place(3 + 1, 4500)  # a node
    data[middle] ^= 1
    (scratch / 'tree.quire').write_bytes(data)
    damage = Damage(layout, bytes(data))
    lost = {node.path for node in layout.nodes if not damage.spares(node)}
    assert 1000 < len(lost) < 3000
    opened = quire.open(scratch / 'tree.quire')
    for number in range(0, 9000, 7):
        name = f'{number:05}'
        if name in lost:
            with pytest.raises(quire.DamagedError):
                opened[name]  # pylint: disable=pointless-statement
        else:
            assert opened[name] == b'%d' % number
    # What would stand among damaged ones may be there.
    with pytest.raises(quire.DamagedError):
        opened['04500x']  # pylint: disable=pointless-statement
    assert '08000x' not in opened and '00000x' not in opened


def test_cut_off(small, scratch):  # pylint: disable=unused-argument
    whole = (scratch / 'small.quire').read_bytes()
    for length in (0, 1, 4095, 4096, 8191, 8192, len(whole) // 2, len(whole) - 1):
        (scratch / 'cut.quire').write_bytes(whole[:length])
        with pytest.raises(quire.DamagedError, match='the pack is cut off' if length > 8192 else 'no Quire pack|cut off'):
            quire.open(scratch / 'cut.quire')
    with pytest.raises(quire.SourceError):
        quire.open(scratch / 'no.such')
    # While it is read.
    opened = quire.open(scratch / 'small.quire')
    os.truncate(scratch / 'small.quire', 100000)
    with pytest.raises(quire.SourceError, match='cut off'):
        opened['large']  # pylint: disable=pointless-statement


def test_hostile_packs(small, scratch, tally):  # pylint: disable=unused-argument
    """Packs whose numbers lie with good sums: quick, with little memory, and errors of this package alone."""
    packs = []
    folder = scratch / 'packs'
    folder.mkdir()
    for form in (('shared', '40'), ('spaced', '40'), ('chain', '60000'), ('volume', '1', '/etc/passwd'), ('volume', '2', 'http://127.0.0.1:1/')):
        packs.append(folder / f'{form[0]}-{form[1]}.quire')
        forge(*form, packs[-1])
    source = scratch / 'small.quire'
    most = 2 ** 64 - 1
    # Section, record, offset of the field, its bytes: each to nothing, a little too much, and as much as it takes.
    fields = [(1, 0, 0, 2), (1, 0, 24, 8), (1, 0, 32, 8), (2, 0, 16, 8), (2, 0, 24, 4), (3, 0, 0, 8), (3, 0, 8, 8), (3, 0, 16, 8),
              (3, 1, 0, 8), (3, 1, 8, 8), (4, 0, 26, 1), (4, 1, 8, 8), (4, 1, 16, 4), (4, 1, 20, 5), (4, 1, 25, 1), (4, 1, 26, 1), (4, 4, 27, 5),
              (4, 5, 8, 8), (4, 5, 27, 5), (4, 6, 8, 8), (4, 6, 26, 1), (4, 6, 27, 5), (5, 0, 0, 6), (5, 0, 6, 2), (5, 0, 8, 3), (6, 0, 0, 8),
              (6, 0, 8, 8), (6, 0, 16, 8), (6, 0, 24, 8), (6, 1, 0, 8), (6, 1, 24, 8)]
    for section, record, at, size in fields:
        for value in (0, 1, 3, 100, 1 << 8 * size - 1, most >> 64 - 8 * size):
            packs.append(folder / f'field-{section}-{record}-{at}-{value}.quire')
            forge('field', str(section), str(record), str(at), str(size), str(value), source, packs[-1])
    for seed in range(150):
        packs.append(folder / f'mutated-{seed}.quire')
        forge('mutate', str(seed), source, packs[-1])
    said = harness.run('timeout', '250', '/usr/bin/python3', '-B', harness.SUPPORT / 'read_hostile_packs.py', PACKAGE, folder).out
    read, refused = map(int, said.split())
    assert read + refused == len(packs) and read > 200 and refused > 3, said
    tally(len(packs), 'hostile packs read by quire.open()')


def test_kept_inputs_of_the_fuzzers(scratch, tally):
    """Small packs of every kind are read as `quire` reads them, and what was found with the C++ reader harms this one as little."""
    expand, folder, seen = harness.find_program('fuzz_inputs'), scratch / 'packs', {}
    folder.mkdir()
    for target in ('attributes', 'content', 'path_resolver', 'superblock', 'tree', 'verifier'):
        for kept in sorted((harness.REPOSITORY / 'tests/data/fuzz' / target).iterdir()):
            if seen.setdefault(kept.read_bytes(), kept) is kept:
                harness.run(expand, 'expand', kept, folder / f'{target}-{kept.name}')
    assert len(seen) > 300
    read = [path for path in sorted(folder.glob('*-reads-*')) if 'superblock-' not in path.name]  # those are no more than two slots
    assert len(read) > 6
    for path in read:
        with quire.open(path) as opened:
            if 'chain' in path.name:
                continue  # too deep for one path
            names = [os.fsdecode(name) for name in harness.quire('ls', '-R', '-0', path).stdout.split(b'\0') if name]
            assert sorted(name.rstrip('/') for name in names) == sorted(name for name, _ in opened.walk())
            for name in opened:
                done = harness.quire('cat', path, name, status=None)
                if done.returncode == 0:
                    assert opened[name] == done.stdout, (path, name)
                else:  # a frame that is none
                    with pytest.raises(quire.DamagedError):
                        opened[name]  # pylint: disable=pointless-statement
    said = harness.run('timeout', '100', '/usr/bin/python3', '-B', harness.SUPPORT / 'read_hostile_packs.py', PACKAGE, folder).out
    assert sum(map(int, said.split())) == len(seen)
    tally(len(seen), 'kept inputs of fuzzers read by quire.open()')


def test_sums_in_python():
    """The same as those of the module xxhash; without it they are computed here, and that is said once."""
    xxhash = pytest.importorskip('xxhash', reason='python3-xxhash is not installed')
    chance = random.Random(1)
    for length in [*range(700), 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 4088, 65536, 100001]:
        data = chance.randbytes(length)
        assert xxh3.xxh3_64(data) == xxhash.xxh3_64_intdigest(data), length


def test_without_the_module_xxhash(small, scratch):
    program = f'''
import sys, warnings
sys.path.insert(0, {str(PACKAGE)!r})
sys.modules['xxhash'] = None
import quire
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    first, second = quire.open(sys.argv[1]), quire.open(sys.argv[1])
assert len(said) == 1 and 'xxhash' in str(said[0].message), said
sys.stdout.buffer.write(first['000/00001.bin'])
with warnings.catch_warnings(record=True) as said:
    quire.open(sys.argv[1], verify=False)
assert not said
'''
    done = harness.run('/usr/bin/python3', '-B', '-c', program, scratch / 'small.quire')
    assert done.stdout == (small / '000/00001.bin').read_bytes()
    damaged = scratch / 'damaged.quire'
    shutil.copy(scratch / 'small.quire', damaged)
    harness.flip(damaged, (small / '000/00001.bin').read_bytes())
    assert 'DamagedError' in harness.run('/usr/bin/python3', '-B', '-c', program, damaged, status=1).err
    # Who asks for bytes that nobody checked is given them.
    assert quire.open(damaged, verify=False)['000/00001.bin'] != (small / '000/00001.bin').read_bytes()


def test_systems_without_pread(small, scratch, monkeypatch):
    """As Windows: threads take turns at the file."""
    monkeypatch.delattr(os, 'pread')
    opened = quire.open(scratch / 'small.quire')
    right = contents(small)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = list(right) * 5
        assert list(pool.map(opened.__getitem__, names)) == [right[name] for name in names]


def test_threads_processes_and_pickles(small, scratch):
    opened = quire.open(scratch / 'small.quire')
    right = contents(small)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = list(right) * 5
        assert list(pool.map(opened.__getitem__, names)) == [right[name] for name in names]
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0 if dict(opened) == right else 1)  # pylint: disable=protected-access
        children.append(child)
    assert dict(opened) == right
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    text = pickle.dumps(opened)
    assert dict(pickle.loads(text)) == right
    harness.pack(small / '001', scratch / 'other.quire')
    os.rename(scratch / 'other.quire', scratch / 'small.quire')
    with pytest.raises(quire.Error, match='another pack'):
        pickle.loads(text)


def test_by_url(served, at_end, scratch):
    right = contents(scratch / 'tree')
    server = web.Nginx(at_end, scratch, served)
    opened = quire.open(f'{server.url}/tree.quire')
    assert dict(opened) == right
    assert dict(pickle.loads(pickle.dumps(opened))) == right
    with pytest.raises(quire.SourceError, match='404'):
        quire.open(f'{server.url}/no.such')
    # Redirects are followed, but not out of https or to files.
    places = {'away': f'{server.url}/tree.quire', 'file': 'file:///etc/passwd'}
    away = web.Nginx(at_end, scratch, served, ' '.join(f'location = /{name} {{ return 302 {place}; }}' for name, place in places.items()))
    assert quire.open(f'{away.url}/away')['015'] == right['015']
    with pytest.raises(quire.SourceError):
        quire.open(f'{away.url}/file')
    request = quire_web.urllib.request.Request('https://127.0.0.1/x')
    with pytest.raises(quire.SourceError, match='leads from https'):
        quire_web._Redirects().redirect_request(request, None, 302, '', {}, 'http://127.0.0.1/x')  # pylint: disable=protected-access
    for other in ('file:///etc/passwd', 'ftp://127.0.0.1/x', 'http://[', 'http://127.0.0.1:port/x'):
        with pytest.raises(quire.SourceError):
            quire.open(other)


def test_replaced_object(served, at_end, scratch, monkeypatch):
    monkeypatch.setattr(quire_web, '_PAUSES_S', ())
    server = web.Nginx(at_end, scratch, served)
    opened = quire.open(f'{server.url}/tree.quire')
    trees.make_samples(scratch / 'other', 3, 20, 100000)
    harness.pack(scratch / 'other', served / 'other.quire')
    os.rename(served / 'other.quire', served / 'tree.quire')
    name = '015'  # in none of the pieces that are there
    with pytest.raises(quire.SourceError, match='replaced'):
        opened[name]  # pylint: disable=pointless-statement


@pytest.mark.parametrize('fault', ['503', '429', 'cut', 'cut headers', 'wrong bytes', 'kept wrong', 'no http', 'short'])
def test_what_passes_is_asked_for_again(fault, origin, served, scratch, monkeypatch):  # pylint: disable=unused-argument
    monkeypatch.setattr(quire_web, '_PAUSES_S', (0.01, 0.01, 0.01))
    right = contents(scratch / 'tree')
    opened = quire.open(origin.url)
    # A cache on the way that keeps wrong bytes gives them until it is passed by.
    origin.faults = [(fault, 1000 if fault == 'kept wrong' else 1)]
    try:
        assert opened['015'] == right['015']
        assert origin.done
    except quire.SourceError:
        assert fault == 'short'  # a wrong answer that says it is whole
    assert dict(opened) == right


@pytest.mark.parametrize('fault', ['404', 'whole', 'other range', 'no range', 'other size', 'other tag', 'gzip', 'long', 'long length', 'silence',
                                   'drip', 'header drip', 'no http', '503', 'wrong bytes'])
def test_servers_that_go_wrong(fault, origin, served, scratch, monkeypatch):  # pylint: disable=unused-argument
    """An error within the time that a request may take, from the first answer on and later."""
    monkeypatch.setattr(quire_web, '_PAUSES_S', (0.01,))
    opened = quire.open(origin.url, timeout_s=1)
    origin.faults = [(fault, 1000)]
    with pytest.raises(quire.Error):
        opened['015']  # pylint: disable=pointless-statement
    if fault not in ('other size', 'other tag', 'long'):
        with pytest.raises(quire.Error):
            quire.open(origin.url, timeout_s=1)
    assert threading.active_count() < 50


def test_handshake_without_end(at_end):
    """A byte now and then keeps no reader, before TLS as little as behind it."""
    listener = socket.create_server(('127.0.0.1', 0))
    is_over = threading.Event()

    def drip():
        connected, _ = listener.accept()
        with connected, contextlib.suppress(OSError):
            connected.sendall(b'\x16\x03\x03\x3f\xff')  # a record of TLS, of 16 KiB
            while not is_over.wait(0.1):
                connected.sendall(b'\2')

    thread = threading.Thread(target=drip)
    thread.start()
    at_end.callback(lambda: (is_over.set(), thread.join(), listener.close()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quire_web, '_PAUSES_S', ())
        begin = time.monotonic()
        with pytest.raises(quire.SourceError):
            quire.open(f'https://127.0.0.1:{listener.getsockname()[1]}/x', timeout_s=1)
        assert time.monotonic() - begin < 20


def test_headers_stay_with_their_server(origin, served):  # pylint: disable=unused-argument
    quire.open(origin.url, headers={'Authorization': 'Bearer secret'})
    assert all(headers['Authorization'] == 'Bearer secret' for _, headers in origin.seen)
    opened = quire.open(origin.url)
    assert opened['000'] and all(headers.get('If-Match', '"one"') == '"one"' for _, headers in origin.seen)
    assert origin.seen[-1][1]['If-Match'] == '"one"'


def test_fsspec(small, scratch):
    fsspec = pytest.importorskip('fsspec', reason='python3-fsspec is not installed')
    import quire.filesystem  # pylint: disable=import-outside-toplevel
    quire.filesystem.register()
    files = fsspec.filesystem('quire', fo=str(scratch / 'small.quire'))
    assert sorted(files.find('')) == sorted([*contents(small), 'symlink'])
    assert sorted(files.ls('000', detail=False)) == [f'000/{number:05}.bin' for number in range(20)]
    assert files.info('000')['type'] == 'directory' and files.info('large')['size'] == 5 << 20 and files.isfile('hard')
    assert files.cat('large') == (small / 'large').read_bytes()
    assert files.glob('00*/0000[12].bin') == [f'{folder:03}/0000{number}.bin' for folder in range(3) for number in (1, 2)]
    with files.open('large') as sample:
        sample.seek(3 << 20)
        assert sample.read(100) == (small / 'large').read_bytes()[3 << 20:][:100]
    with fsspec.open('quire://000/00001.bin', fo=str(scratch / 'small.quire')) as sample:
        assert sample.read() == (small / '000/00001.bin').read_bytes()
    with pytest.raises(FileNotFoundError):
        files.info('no.such')
    with pytest.raises(OSError):
        files.open('new', 'wb')


def test_no_warning_at_import():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        harness.run('/usr/bin/python3', '-B', '-W', 'error', '-c', 'import quire, quire.torch', env={'PYTHONPATH': str(PACKAGE)})
    assert sys.modules['quire'].__doc__
