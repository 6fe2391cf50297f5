#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: quire.open() of the Python package reads every kind of pack as `quire` does, whole trees of them: packs that have grown, in each of their
generations, compressed ones by each decoder that may be there, indexes of archives and of packs; and where bytes are damaged, changed
or out of reach, it gives an error and never other bytes."""
import contextlib
import json
import os
import pathlib
import pickle
import random
import shutil
import sys
import tarfile
import zipfile

import harness
import pytest
import quire
import trees
import web
from opened_packs import Forgery, assert_shows, contents
from quire import places
from quire.pack import superblock as layout
from quire.pack import volumes, zstd
from random_tree import RandomTree
from s3_server import S3Server, make_keys

PACKAGE = harness.REPOSITORY / 'packaging/python'

make_origin = web.make_origin


def copy(source, target):
    harness.run('cp', '-a', source, target)


def append(packed, source, *options):
    harness.quire('append', '--progress', 'never', packed, source, *options)


def assert_reads_as_extracted(packed, scratch, *options, **how):
    """All that `quire extract` makes of a pack."""
    __tracebackhide__ = True
    there = scratch / 'extracted'
    shutil.rmtree(there, ignore_errors=True)
    harness.quire('extract', '--progress', 'never', packed, '-C', there, *options)
    with quire.open(packed, **how) as opened:
        assert_shows(opened, there)


def make_texts(tree):
    """Samples that are compressed: small ones that share frames and a dictionary, one of many frames, one with holes."""
    chance = random.Random(5)
    (tree / 'json').mkdir(parents=True)
    for number in range(400):
        words = ' '.join(chance.choice(('sample', 'label', 'width', 'height', 'split')) for _ in range(chance.randrange(60)))
        (tree / f'json/{number:03}.json').write_text(json.dumps({'id': number, 'text': words, 'value': chance.random()}))
    (tree / 'text').write_bytes(b''.join(b'row %d of a table\n' % number for number in range(300000)))
    with open(tree / 'holes', 'wb') as file:
        for at in (0, 700000, 3000000):
            file.seek(at)
            file.write(b'a piece that is repeated ' * 20000)
        file.truncate(9 << 20)
    return tree


@pytest.fixture(name='texts')
def get_texts(scratch, pack):
    make_texts(scratch / 'texts')
    pack(scratch / 'texts', scratch / 'texts.quire', '--compress', 'zstd')
    return scratch / 'texts'


def decode_without(monkeypatch, *modules):
    monkeypatch.setattr(zstd, '_found', [])
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_packs_that_grow(scratch, pack, seed):
    """Each generation is the tree that it was: of what was added, changed, removed and came again."""
    chance = random.Random(seed)
    RandomTree(chance, scratch / 'tree', 60)
    packed = scratch / 'p.quire'
    pack(scratch / 'tree', packed)
    models = [scratch / 'tree']
    for number in range(4):
        model = scratch / f'model{number}'
        copy(models[-1], model)
        if number % 2 == 0:
            RandomTree(chance, model / f'added {number}', 30)
            names = sorted(name for name in os.listdir(model) if not name.startswith('added'))
            harness.run('rm', '-rf', model / chance.choice(names))
            for name in chance.sample(sorted(contents(models[-1])), 3):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # below what was removed
                    os.chmod(model / name, 0o600)
                    os.utime(model / name, ns=(0, chance.randrange(10 ** 18)))
            pack(model, packed, '--update')
        else:
            RandomTree(chance, scratch / f'source{number}', 30)
            append(packed, scratch / f'source{number}', '--at', f'added {number}')
            copy(scratch / f'source{number}', model / f'added {number}')
        models.append(model)
    with quire.open(packed) as opened:
        assert opened.generations() == [1, 2, 3, 4, 5]
    for generation in range(1, 6):
        assert_reads_as_extracted(packed, scratch, '--generation', str(generation), generation=generation)
        with quire.open(packed, generation=generation) as opened:
            assert contents(models[generation - 1]) == dict(opened)
    assert_reads_as_extracted(packed, scratch)
    for missing in (0, 6, -1):
        with pytest.raises(quire.Error, match=f'no generation {missing}; it has 1, 2, 3, 4, 5'):
            quire.open(packed, generation=missing)


def test_pickles_stay_with_their_generation(scratch, pack):
    trees.make_samples(scratch / 'tree', 2, 10, 500)
    pack(scratch / 'tree', scratch / 'p.quire')
    opened = quire.open(scratch / 'p.quire')
    text, before = pickle.dumps(opened), dict(opened)
    trees.make_samples(scratch / 'more', 1, 5, 700)
    append(scratch / 'p.quire', scratch / 'more', '--at', 'more')
    assert dict(pickle.loads(text)) == before == dict(opened), 'another generation'
    assert len(quire.open(scratch / 'p.quire')) == len(before) + 5


def test_many_layers(scratch, pack):
    """As many as there may be; and the one memory of blocks that all of them share."""
    (scratch / 'tree').mkdir()
    (scratch / 'more').mkdir()
    (scratch / 'tree/first').write_text('first')
    pack(scratch / 'tree', scratch / 'p.quire')
    for number in range(2, 65):
        (scratch / 'more/new').write_text(f'generation {number}')
        append(scratch / 'p.quire', scratch / 'more', '--at', f'{number:03}')
    opened = quire.open(scratch / 'p.quire')
    assert opened.generations() == list(range(1, 65))
    assert dict(opened) == {'first': b'first'} | {f'{number:03}/new': f'generation {number}'.encode() for number in range(2, 65)}
    assert opened.stat('').st_nlink == 2 + 63
    for number in (1, 2, 40, 64):
        assert len(quire.open(scratch / 'p.quire', generation=number)) == number


def test_damaged_layers(scratch, pack, tally):
    """No wrong byte and no other tree, whichever byte of either layer was changed."""
    trees.make_samples(scratch / 'tree', 3, 8, 300)
    pack(scratch / 'tree', scratch / 'p.quire')
    trees.make_samples(scratch / 'more', 3, 4, 200)
    append(scratch / 'p.quire', scratch / 'more', '--at', '001')
    whole = (scratch / 'p.quire').read_bytes()
    with quire.open(scratch / 'p.quire') as opened:
        right = dict(opened)
        first = quire.open(scratch / 'p.quire', generation=1)
        begins = [first.superblock.index_offset, opened.superblock.index_offset]
        ends = [first.superblock.pack_bytes, opened.superblock.pack_bytes]
    damaged = refused = 0
    for begin, end in zip(begins, ends):
        for at in range(begin, end, 37):
            bad = bytearray(whole)
            bad[at] ^= 0x40
            (scratch / 'bad.quire').write_bytes(bad)
            try:
                with quire.open(scratch / 'bad.quire') as opened:
                    for name in right:
                        with contextlib.suppress(quire.DamagedError, KeyError):
                            assert opened[name] == right[name], (at, name)
                damaged += 1
            except quire.DamagedError:
                refused += 1
    assert damaged + refused > 100 and refused > 0
    tally(damaged + refused, 'packs with a damaged layer read by quire.open()')


def test_hostile_kinds(scratch, pack, tally):
    """Numbers that lie with good sums in layers, references, replaced nodes, coded members and dictionaries: errors of this package alone,
    quick, with little memory."""
    make_texts(scratch / 'texts')
    shutil.rmtree(scratch / 'texts/json')
    trees.make_samples(scratch / 'texts/json', 2, 20, 30)
    pack(scratch / 'texts', scratch / 'c.quire', '--compress', 'zstd')
    trees.make_samples(scratch / 'tree', 3, 8, 300)
    pack(scratch / 'tree', scratch / 'g.quire')
    trees.make_samples(scratch / 'more', 1, 4, 200)
    append(scratch / 'g.quire', scratch / 'more', '--at', '001')
    harness.quire('rm', scratch / 'g.quire', '002')
    with zipfile.ZipFile(scratch / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('long', b'long ' * 1000000)
        archive.writestr('short', b'short ' * 1000)
    harness.quire('index', scratch / 'a.zip', '-o', scratch / 'z.quire')
    # Section, offset and bytes of a field; of the first, second and last record.
    fields = {'c.quire': [(1, 4, 2), (1, 6, 2), (1, 12, 4), (1, 24, 8), (1, 32, 8), (5, 0, 6), (5, 6, 2), (5, 8, 3), (6, 8, 8), (6, 16, 8), (9, 0, 6),
                          (9, 6, 2), (9, 8, 6), (9, 14, 1), (9, 15, 1), (9, 16, 8), (9, 24, 8), (9, 32, 8), (10, 0, 8), (10, 8, 4), (10, 16, 8)],
              'g.quire': [(3, 0, 8), (3, 8, 8), (3, 16, 8), (4, 8, 8), (4, 20, 5), (4, 25, 1), (4, 26, 1), (4, 27, 5), (12, 0, 8), (12, 8, 2), (12, 20, 4),
                          (12, 24, 8), (12, 32, 8), (12, 40, 8), (12, 48, 8), (12, 56, 8), (12, 64, 8), (12, 72, 8), (12, 208, 8), (12, 216, 8),
                          (13, 0, 8), (13, 16, 8), (13, 28, 5), (13, 33, 1), (13, 34, 1), (13, 35, 5)],
              'z.quire': [(1, 0, 2), (1, 4, 2), (1, 6, 2), (1, 8, 4), (1, 12, 4), (1, 16, 8), (1, 24, 8), (1, 32, 8), (1, 40, 8), (9, 0, 6), (9, 8, 6),
                          (9, 14, 1), (9, 16, 8), (9, 24, 8), (9, 32, 8)]}
    folder, made = scratch / 'packs', 0
    folder.mkdir()
    shutil.copy2(scratch / 'a.zip', folder / 'a.zip')
    right = {name: dict(quire.open(scratch / name)) for name in fields}
    for name, places_of_it in fields.items():
        whole = (scratch / name).read_bytes()
        for section, at, size in places_of_it:
            count = Forgery(whole).count(section)
            for record in {0, 1, count - 1} if count else ():
                for value in (0, 1, 2, 3, 100, 1 << 8 * size - 1, (1 << 8 * size) - 1):
                    if record < count:
                        bad = Forgery(whole).set(section, record, at, size, value).bytes()
                        (folder / f'{name[0]}-{section}-{record}-{at}-{value}.quire').write_bytes(bad)
                        made += 1
    assert made > 500
    said = harness.run('timeout', '250', '/usr/bin/python3', '-B', harness.SUPPORT / 'read_hostile_packs.py', PACKAGE, folder).out
    read, refused = map(int, said.split())
    assert read + refused == made + 1 and read > 100 and refused > 10, said  # and the archive, which is no pack
    # Sums of samples were not forged, so what is read under a name in its place is right.
    for path in sorted(folder.glob('c-*.quire')):
        with contextlib.suppress(quire.Error), quire.open(path) as opened:
            for name, expected in right['c.quire'].items():
                with contextlib.suppress(quire.Error, KeyError):
                    assert opened[name] == expected[:len(opened[name])] or '-5-' in path.name or '-6-' in path.name, (path.name, name)
    tally(made, 'hostile packs of every kind read by quire.open()')


def test_reference_to_a_directory_that_is_listed_twice(scratch, pack):
    """It would make more paths than nodes: the format has one place for each node, whatever references say."""
    for name in ('a', 'b', 'c'):
        (scratch / 'tree' / name).mkdir(parents=True)
        (scratch / 'tree' / name / 'file').write_text(name)
    pack(scratch / 'tree', scratch / 'p.quire')
    shutil.copy(scratch / 'p.quire', scratch / 'tree-only.quire')
    (scratch / 'more').mkdir()
    (scratch / 'more/z').write_text('z')
    append(scratch / 'p.quire', scratch / 'more')
    forged = Forgery((scratch / 'p.quire').read_bytes())
    nodes = [forged.data[forged.sections[4][0] + 32 * number:][:32] for number in range(forged.count(4))]
    references = [number for number, node in enumerate(nodes) if node[26] == 6]
    assert len(references) == 3
    for field, size in ((27, 5), (20, 5)):  # what it stands for, and its name
        forged.set(4, references[1], field, size, int.from_bytes(nodes[references[0]][field:field + size], 'little'))
    (scratch / 'forged.quire').write_bytes(forged.bytes())
    with quire.open(scratch / 'forged.quire') as opened:
        with pytest.raises(quire.DamagedError, match='as another entry of its directory does'):
            list(opened)
    # One that stands for a node of another directory: for a/file.
    first = Forgery((scratch / 'tree-only.quire').read_bytes())
    name_at = int.from_bytes(first.data[first.sections[4][0] + 32 * 4:][20:25], 'little')
    forged = Forgery((scratch / 'p.quire').read_bytes()).set(4, references[1], 27, 5, 4).set(4, references[1], 20, 5, name_at)
    forged.set(4, references[1], 25, 1, len('file'))
    (scratch / 'forged.quire').write_bytes(forged.bytes())
    with quire.open(scratch / 'forged.quire') as opened, pytest.raises(quire.DamagedError, match='stands for node 4, which was no entry of node 0'):
        list(opened)


@pytest.mark.parametrize('without', [(), ('zstandard',)], ids=['module', 'library'])
@pytest.mark.parametrize('options', [('zstd',), ('zstd:19', '--alone', '--dict', '16K')], ids=['together', 'alone'])
def test_compressed_packs(texts, scratch, pack, monkeypatch, without, options):
    """By the module zstandard, and by libzstd itself; of frames that samples share, and of frames with a dictionary."""
    pack(texts, scratch / 'texts.quire', '-f', '--compress', *options)
    decode_without(monkeypatch, 'compression.zstd', 'backports.zstd', 'pyzstd', *without)
    if not without:
        pytest.importorskip('zstandard', reason='python3-zstandard is not installed')
    assert Forgery((scratch / 'texts.quire').read_bytes()).count(layout.DICTIONARIES) == (1 if len(options) == 1 else 2)
    assert_reads_as_extracted(scratch / 'texts.quire', scratch)
    with quire.open(scratch / 'texts.quire') as opened, opened.open('text') as file:
        whole = (texts / 'text').read_bytes()
        for at in (0, 262143, 262144, 2 << 20, len(whole) - 10):
            file.seek(at)
            assert file.read(1000) == whole[at:at + 1000]
    # What is appended goes on with what is there.
    trees.make_samples(scratch / 'more', 1, 5, 700)
    append(scratch / 'texts.quire', scratch / 'more', '--at', 'more')
    assert_reads_as_extracted(scratch / 'texts.quire', scratch)
    assert quire.open(scratch / 'texts.quire', verify=False)['text'] == whole


def test_compressed_packs_without_a_decoder(texts, scratch, monkeypatch):
    decode_without(monkeypatch, 'compression.zstd', 'backports.zstd', 'pyzstd', 'zstandard')
    monkeypatch.setattr(zstd, '_LIBRARIES', ('libnothing.so.7',))
    with quire.open(scratch / 'texts.quire') as opened:
        assert sorted(opened) == sorted(contents(texts))
        with pytest.raises(quire.UnsupportedError, match='text.*install zstandard'):
            opened['text']  # pylint: disable=pointless-statement
        assert opened['json/000.json'][:0] == b'' if _is_plain(opened, 'json/000.json') else True
    monkeypatch.setattr(zstd, '_LIBRARIES', ('libzstd.so.1',))
    assert quire.open(scratch / 'texts.quire')['text'] == (texts / 'text').read_bytes(), 'nothing that was missing is remembered'


def _is_plain(opened, name):
    return opened.place(name)[0] == 0


def test_damaged_compressed_samples(texts, scratch, tally):
    """What is damaged is an error, and other samples suffer nothing but where they share a frame."""
    whole = (scratch / 'texts.quire').read_bytes()
    right = contents(texts)
    with quire.open(scratch / 'texts.quire') as opened:
        begin, end = 8192, opened.superblock.index_offset
    chance, failed = random.Random(3), 0
    places_of_damage = [chance.randrange(begin, end) for _ in range(60)]
    for at in places_of_damage:
        bad = bytearray(whole)
        bad[at] ^= 1 << chance.randrange(8)
        (scratch / 'bad.quire').write_bytes(bad)
        lost = 0
        for options in ({}, {'verify': False}):
            with quire.open(scratch / 'bad.quire', **options) as opened:
                for name in (*chance.sample(sorted(right), 40), 'text'):
                    try:
                        assert opened[name] == right[name] or options
                    except quire.DamagedError:
                        lost += not options
        failed += lost > 0
    assert failed > 10
    tally(len(places_of_damage), 'damaged compressed packs read by quire.open()')


def test_frames_that_are_none():
    """Whatever surrounds the blocks of a frame is checked before a decoder sees it."""
    frame = bytes.fromhex('28b52ffd20 05 2900 00') + b'hello'  # one raw block, the last, of 5 bytes
    assert zstd.decode(frame, 5, b'') == b'hello'
    for bad in (b'', frame[:-1], frame + b'x', frame + frame, b'x' + frame, frame[:4], frame[:8], bytes([*frame[:4], 0x24, *frame[5:]]),
                bytes([*frame[:4], 0x21, 7, *frame[5:]]), frame.replace(b'\x29', b'\x2f'), b'\x50\x2a\x4d\x18\x05\0\0\0hello'):
        with pytest.raises(quire.DamagedError):
            zstd.decode(bad, 5, b'')
    for size in (4, 6, 0):
        with pytest.raises(quire.DamagedError):
            zstd.decode(frame, size, b'')
    # A window of 2^41 bytes, of a frame of eight.
    with pytest.raises(quire.DamagedError, match='window'):
        zstd.decode(bytes.fromhex('28b52ffd80 f8 08000000 410000') + b'hellohel', 8, b'')


def make_archives(scratch):
    """A tree with small samples, one of more than a page, empty ones and links; and archives of it of every form that is read in place."""
    tree = make_texts(scratch / 'tree')
    (tree / 'empty').touch()
    (tree / 'noise').write_bytes(trees.random_bytes(5 << 20, 1))
    harness.run('tar', '-cf', scratch / 'plain.tar', '-C', tree, '.')
    harness.run('tar', '-S', '--format=pax', '-cf', scratch / 'sparse.tar', '-C', tree, '.')
    for name, option in (('stored.zip', '-0'), ('deflated.zip', '-6')):
        harness.run('zip', '-q', option, '-r', scratch / name, '.', cwd=tree)
    return tree


@pytest.mark.parametrize('name', ['plain.tar', 'sparse.tar', 'stored.zip', 'deflated.zip'])
def test_indexes_of_archives(scratch, name):
    tree = make_archives(scratch)
    packed = scratch / 'index.quire'
    harness.quire('index', scratch / name, '-o', packed)
    assert_reads_as_extracted(packed, scratch)
    with quire.open(packed) as opened:
        assert dict(opened) == contents(tree)
        with opened.open('text') as file:  # also backwards
            whole = (tree / 'text').read_bytes()
            for at in (3 << 20, 100, 2 << 20, len(whole) - 5, 0):
                file.seek(at)
                assert file.read(1000) == whole[at:at + 1000], at
    # An archive that was changed is not read any more: its sums would not find it where it has none.
    before = os.stat(scratch / name)
    with open(scratch / name, 'r+b') as file:
        file.seek(100000)
        file.write(b'other')
    opened = quire.open(packed)
    with pytest.raises(quire.SourceError, match=f'{name}.*has changed since it was indexed'):
        opened['noise']  # pylint: disable=pointless-statement
    # Where its times lie about it sums still do, but in tar files, which have none.
    os.utime(scratch / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    right, wrong = contents(tree), 0
    with quire.open(packed) as opened:
        for path, expected in right.items():
            try:
                assert opened[path] == expected or name.endswith('.tar') or path == 'noise', path
            except quire.DamagedError:
                wrong += 1
    assert wrong or name != 'deflated.zip'
    # While it is read.
    opened = quire.open(packed)
    assert opened['noise'][:0] == b''
    os.utime(scratch / name)
    if name.endswith('.tar'):
        with pytest.raises(quire.SourceError, match='has changed'):
            opened['noise']  # pylint: disable=pointless-statement
    os.unlink(scratch / name)
    with pytest.raises(quire.SourceError, match='is not there: move it back'):
        quire.open(packed)['noise']  # pylint: disable=pointless-statement


def test_damaged_deflated_members(scratch, tally):
    make_archives(scratch)
    shutil.copy2(scratch / 'deflated.zip', scratch / 'whole.zip')
    harness.quire('index', scratch / 'deflated.zip', '-o', scratch / 'index.quire')
    whole, status = (scratch / 'deflated.zip').read_bytes(), os.stat(scratch / 'deflated.zip')
    right, chance, failed = contents(scratch / 'tree'), random.Random(2), 0
    with zipfile.ZipFile(scratch / 'deflated.zip') as archive:  # a short member, each of whose bytes is changed as well
        short = max((info for info in archive.infolist() if info.filename.endswith('.json')), key=lambda info: info.compress_size)
    places_of_damage = [chance.randrange(len(whole)) for _ in range(25)] + [short.header_offset + 100 + number for number in range(60)]
    for at in places_of_damage:
        bad = bytearray(whole)
        bad[at] ^= 1 << chance.randrange(8)
        (scratch / 'deflated.zip').write_bytes(bad)
        os.utime(scratch / 'deflated.zip', ns=(status.st_atime_ns, status.st_mtime_ns))
        with quire.open(scratch / 'index.quire') as opened:
            for name in (short.filename, *(('text', 'noise', 'holes') if at in places_of_damage[:25] else ())):
                try:
                    assert opened[name] == right[name], name
                except quire.DamagedError:
                    failed += 1
    assert failed > 60
    tally(len(places_of_damage), 'damaged zip files read by quire.open()')


def test_which_files_an_index_may_read(scratch, pack):
    """Those in its folder or below, links followed, and where its user says so; nothing that is no file."""
    (scratch / 'here/below').mkdir(parents=True)
    (scratch / 'elsewhere').mkdir()
    trees.make_samples(scratch / 'tree', 1, 3, 5000)
    right = contents(scratch / 'tree')
    for folder in ('here/below', 'elsewhere'):
        harness.run('tar', '-cf', scratch / folder / 'a.tar', '-C', scratch / 'tree', '.')
    harness.quire('index', scratch / 'here/below/a.tar', '-o', scratch / 'here/in.quire')
    assert dict(quire.open(scratch / 'here/in.quire')) == right
    (scratch / 'link.quire').symlink_to('here/in.quire')
    assert dict(quire.open(scratch / 'link.quire')) == right
    harness.quire('index', scratch / 'elsewhere/a.tar', '-o', scratch / 'here/out.quire')
    name = sorted(right)[0]
    with pytest.raises(quire.SourceError, match='lies in no place that this pack may read.*volumes='):
        quire.open(scratch / 'here/out.quire')[name]  # pylint: disable=pointless-statement
    for place in (scratch / 'elsewhere', scratch / 'elsewhere/a.tar', scratch):
        assert dict(quire.open(scratch / 'here/out.quire', volumes=[place])) == right
    with pytest.raises(quire.SourceError, match='no place'):
        quire.open(scratch / 'here/out.quire', volumes=[scratch / 'else'])[name]  # pylint: disable=pointless-statement
    assert dict(pickle.loads(pickle.dumps(quire.open(scratch / 'here/out.quire', volumes=[scratch / 'elsewhere'])))) == right
    # A symlink in the folder that leads out of it, a FIFO, a device, a folder.
    archive = scratch / 'here/below/a.tar'
    os.rename(archive, scratch / 'elsewhere/moved.tar')
    for make, said in ((lambda: archive.symlink_to(scratch / 'elsewhere/moved.tar'), 'no place'), (lambda: os.mkfifo(archive), 'no regular file'),
                       (lambda: archive.symlink_to('/dev/zero'), 'no place'), (archive.mkdir, 'no regular file')):
        make()
        with pytest.raises(quire.Error, match=said):
            quire.open(scratch / 'here/in.quire')[name]  # pylint: disable=pointless-statement
        harness.run('rm', '-r', archive)
    with pytest.raises(quire.DamagedError, match='no regular file'):
        archive.mkdir()
        quire.open(scratch / 'here/in.quire', volumes=['/'])[name]  # pylint: disable=pointless-statement


def test_more_shards_than_open_files(scratch, monkeypatch):
    """Files are closed when they were not read for longest."""
    monkeypatch.setattr(volumes, '_MOST_OPEN', 4)
    (scratch / 'shards').mkdir()
    expected = {}
    for number in range(30):
        with tarfile.open(scratch / f'shards/{number:03}.tar', 'w') as shard:
            for sample in range(3):
                path = scratch / f'{number:03}-{sample}.txt'
                path.write_text(f'{number} {sample}')
                shard.add(path, f'{number:03}-{sample}.txt')
                expected[f'{number:03}-{sample}.txt'] = path.read_bytes()
    harness.quire('index', *sorted((scratch / 'shards').glob('*.tar')), '-o', scratch / 'shards/all.quire')
    opened = quire.open(scratch / 'shards/all.quire')
    names = [name for name in opened for _ in range(2)]
    random.Random(1).shuffle(names)
    for name in names:
        assert opened[name] == expected[os.path.basename(name)]
    held = [os.readlink(f'/proc/self/fd/{number}') for number in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{number}')]
    assert len([name for name in held if name.endswith('.tar')]) <= 4
    opened.close()
    with pytest.raises(quire.SourceError):
        opened[names[0]]  # pylint: disable=pointless-statement


def test_merged_packs(texts, scratch, pack):
    """Of a plain pack, one that has grown, a compressed one and an index of an archive, in one tree; by links and by copies."""
    RandomTree(random.Random(7), scratch / 'random', 40)
    pack(scratch / 'random', scratch / 'plain.quire')
    trees.make_samples(scratch / 'grown', 2, 5, 900)
    pack(scratch / 'grown', scratch / 'grown.quire')
    append(scratch / 'grown.quire', scratch / 'random', '--at', 'more')
    copy(scratch / 'random', scratch / 'grown/more')
    harness.run('zip', '-q', '-6', '-r', scratch / 'a.zip', '.', cwd=texts)
    harness.quire('index', scratch / 'a.zip', '-o', scratch / 'zip.quire')
    sources = {'plain': scratch / 'random', 'grown': scratch / 'grown', 'texts': texts, 'zip': texts}
    words = [word for name in sources for word in (scratch / f'{name}.quire', '--at', f'{name}={name}')]
    expected = {f'{top}/{name}': data for top, tree in sources.items() for name, data in contents(tree).items()}
    for options in ((), ('--copy',)):
        harness.quire('merge', '--progress', 'never', *words, '-o', scratch / 'merged.quire', '-f', *options)
        assert_reads_as_extracted(scratch / 'merged.quire', scratch)
        with quire.open(scratch / 'merged.quire') as opened:
            assert dict(opened) == expected
    harness.quire('merge', '--progress', 'never', *words, '-o', scratch / 'merged.quire', '-f')
    append(scratch / 'plain.quire', scratch / 'random', '--at', 'again')
    with quire.open(scratch / 'merged.quire') as opened, pytest.raises(quire.SourceError, match='has changed since it was indexed'):
        dict(opened)


def test_pages_of_every_kind(texts, scratch, pack, mount):
    """QuasiRandomSampler is told the same by the mount and by the index of the pack, also where samples are compressed or were added."""
    trees.make_samples(scratch / 'tree', 2, 40, 90000)
    pack(scratch / 'tree', scratch / 'grown.quire')
    trees.make_samples(scratch / 'more', 1, 40, 90000)
    append(scratch / 'grown.quire', scratch / 'more', '--at', '001')
    for name in ('grown', 'texts'):
        shown = mount(scratch / f'{name}.quire', folder=scratch / f'mnt-{name}')
        paths = [str(path) for path in sorted(shown.path.rglob('*')) if path.is_file()]
        by_mount = places._by_mount(paths)  # pylint: disable=protected-access
        by_index = places._by_index(paths)  # pylint: disable=protected-access
        assert quire.sample_pages(paths) in (by_mount, by_index), name
        groups = [sorted(map(sorted, _groups(pages))) for pages in (by_mount, by_index if by_index is not None else by_mount)]
        assert groups[0] == groups[1], name
        if name == 'grown':
            assert by_index is not None


def test_pages_of_merged_packs(scratch, pack, mount):
    """Inodes are the numbers of nodes of the index, and of none of the packs."""
    for name in ('a', 'b'):
        trees.make_samples(scratch / name, 2, 40, 90000)
        pack(scratch / name, scratch / f'{name}.quire')
    harness.quire('merge', '--progress', 'never', scratch / 'a.quire', scratch / 'b.quire', '--at', 'b=below', '-o', scratch / 'm.quire')
    shown = mount(scratch / 'm.quire')
    paths = [str(path) for path in sorted(shown.path.rglob('*.bin'))]
    assert places._by_index(paths) is None  # pylint: disable=protected-access
    pages = quire.sample_pages(paths)
    assert len(paths) == 160 and len(set(pages)) > 6
    is_below = ['below' in path for path in paths]
    assert not {page for page, below in zip(pages, is_below) if below} & {page for page, below in zip(pages, is_below) if not below}


def _groups(pages):
    found = {}
    for number, page in enumerate(pages):
        found.setdefault(page, []).append(number)
    return found.values()


def test_kinds_by_url(texts, scratch, at_end):
    """Ranges of what has grown and of what is compressed are asked for as of other packs; an index needs the files beside it."""
    trees.make_samples(scratch / 'more', 1, 5, 700)
    append(scratch / 'texts.quire', scratch / 'more', '--at', 'more')
    harness.run('tar', '-cf', scratch / 'a.tar', '-C', texts, '.')
    harness.quire('index', scratch / 'a.tar', '-o', scratch / 'index.quire')
    served = scratch / 'www'
    served.mkdir()
    for name in ('texts.quire', 'index.quire', 'a.tar'):
        shutil.copy2(scratch / name, served / name)
    server = web.Nginx(at_end, scratch, served)
    expected = contents(texts) | {f'more/{name}': data for name, data in contents(scratch / 'more').items()}
    assert dict(quire.open(f'{server.url}/texts.quire')) == expected
    assert dict(quire.open(f'{server.url}/texts.quire', generation=1)) == contents(texts)
    with pytest.raises(quire.SourceError, match='beside the pack, which was not opened as a file'):
        quire.open(f'{server.url}/index.quire')['text']  # pylint: disable=pointless-statement


@pytest.fixture(name='bucket')
def make_bucket(texts, scratch, at_end, monkeypatch):  # pylint: disable=unused-argument
    """A server of S3 with a pack, its keys in the environment."""
    pytest.importorskip('botocore', reason='python3-botocore is not installed')
    for name in [name for name in os.environ if name.startswith('AWS_')]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('HOME', str(scratch))
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_MAX_ATTEMPTS', '3')
    server = S3Server(at_end, {'photo-bucket/sets/a b.quire': scratch / 'texts.quire'})
    monkeypatch.setenv('AWS_ENDPOINT_URL', server.url)
    for name, value in server.add(make_keys()).variables().items():
        monkeypatch.setenv(name, value)
    return server


def test_by_s3(bucket, texts, scratch, pack):
    url = 's3://photo-bucket/sets/a b.quire'
    opened = quire.open(url)
    right = contents(texts)
    assert dict(opened) == right and dict(pickle.loads(pickle.dumps(opened))) == right
    child = os.fork()
    if child == 0:
        os._exit(0 if dict(opened) == right else 1)  # pylint: disable=protected-access
    assert os.waitpid(child, 0)[1] == 0
    # What passes is asked for again.
    bucket.faults = [('SlowDown', 1)]
    assert quire.open(url)['text'] == right['text']
    assert not any(count for _, count in bucket.faults)
    for wrong, said in (('s3://photo-bucket/none', 'NoSuchKey'), ('s3://other/none', 'NoSuchBucket'), ('s3://photo-bucket', 's3://BUCKET/KEY')):
        with pytest.raises(quire.SourceError, match=said):
            quire.open(wrong)
    bucket.faults = [('AccessDenied', 1)]
    with pytest.raises(quire.SourceError, match='AccessDenied'):
        quire.open(url)
    for seed in (1, 2):  # more than is kept of the one when it is replaced by the other
        trees.make_samples(scratch / 'plain', 3, 10, 100000 * seed)
        pack(scratch / 'plain', scratch / 'plain.quire', '-f')
        bucket.objects['photo-bucket/plain'] = scratch / 'plain.quire'
        opened = opened if seed == 2 else quire.open('s3://photo-bucket/plain')
    with pytest.raises(quire.SourceError, match='replaced'):
        dict(opened)


def test_by_s3_without_a_module(monkeypatch):
    monkeypatch.setitem(sys.modules, 'botocore', None)
    with pytest.raises(quire.SourceError, match='botocore is not installed.*install boto3'):
        quire.open('s3://bucket/x.quire')
