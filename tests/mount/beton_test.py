#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a .beton file of FFCV is mounted as it is, every value a file, equal to what a reader of its own makes of it; and what cannot
be served is named and never wrong."""
import json
import math
import os
import random
import struct

import beton
import harness
import pytest

PAGE = beton.PAGE_BYTES
MAGICS = {'.jpg': b'\xff\xd8\xff\xe0', '.png': b'\x89PNG\r\n\x1a\n', '.flac': b'fLaC', '': b'plain'}
FIELD_AT = 24
NUMBERS = [0, -1, 2**63 - 1, -2**63, 7]
FLOATS = [0.0, -0.0, 1.0, 1e15, 1e16, 123456789012345680.0, 1e-4, 1e-5, 0.1, math.pi, math.inf, -math.inf, math.nan, 5e-324]


def make_image(rng, most_side=40):
    if rng.random() < 0.5:
        return 'jpg', 640, 480, MAGICS['.jpg'] + rng.randbytes(rng.randrange(1, 9000))
    width, height = rng.randrange(1, most_side), rng.randrange(1, most_side)
    return 'raw', width, height, rng.randbytes(width * height * 3)


def make_random(path, seed, samples=60, **how):
    """Fields of all types in any order, some of them several times."""
    rng = random.Random(seed)
    makers = [
        (beton.int_field, lambda: rng.choice([*NUMBERS, rng.randrange(-10**6, 10**6)])),
        (beton.float_field, lambda: rng.choice([*FLOATS, struct.unpack('<d', rng.randbytes(8))[0], rng.random()])),
        (beton.image_field, lambda: make_image(rng)),
        (beton.bytes_field, lambda: rng.choice([b'', rng.choice(list(MAGICS.values())) + rng.randbytes(rng.randrange(30000))])),
        (beton.json_field, lambda: {'caption': 'grün\n' * rng.randrange(50), 'boxes': [rng.random() for _ in range(5)]}),
        (lambda name: beton.array_field(name, [['', '<f4']], (3, 5)), lambda: rng.randbytes(60)),
        (lambda name: beton.array_field(name, [['', '<M8[ns]']], (4,)), lambda: rng.randbytes(32)),
        (lambda name: beton.array_field(name, [['', '|u1']], (), code=6), lambda: rng.randbytes(1))]
    chosen = makers + rng.choices(makers, k=3)
    rng.shuffle(chosen)
    fields = [make(f'{"abcdefghijk"[number]}_field') for number, (make, _) in enumerate(chosen)]
    values = [[value() for _, value in chosen] for _ in range(samples)]
    return beton.write(path, fields, values, **how)


def make_small(path):
    """Three samples: an image, a number, a text."""
    fields = [beton.image_field('image'), beton.int_field('label'), beton.bytes_field('text')]
    return beton.write(path, fields, [[('jpg', 4, 4, MAGICS['.jpg'] + b'one'), 7, b'text of one'],
                                      [('raw', 2, 1, b'pixels'), -7, b'text of two'],
                                      [('jpg', 4, 4, MAGICS['.jpg'] + b'three'), 0, b'']])


SMALL_RECORD = 40  # an image in 13 bytes, a number from 16 on, place and length
SMALL_METADATA_AT = FIELD_AT + 3 * 1041


def tree_of(folder):
    """{path: bytes}"""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def assert_serves_what_is_whole(scratch, quire, path, wanted, told_as=''):
    """Each wanted file is served, or named in a message; none is wrong. Returns the paths that are served."""
    __tracebackhide__ = True
    index = scratch / 'found.quire'
    done = quire('index', '-f', path, '-o', index, status=None)
    assert done.returncode in (0, 1), done.said
    if not index.exists():
        assert done.says(told_as)
        return set()
    found = scratch / 'found'
    harness.run('rm', '-rf', found)
    # Of those that are left out both say so; that is not what is asked here.
    quire('verify', index, status=done.returncode).says('no fault')
    quire('extract', index, '-C', found, status=done.returncode)
    served = tree_of(found)
    index.unlink()
    for name, content in served.items():
        assert content == wanted[name], name
    # Of a value that cannot be read the extension is not always known.
    missing = [name for name in wanted if name not in served and name not in done.err and name.rsplit('.', 1)[0] not in done.err]
    if missing:
        assert done.says('the metadata of .* samples lies in the file')
    assert (done.returncode == 0) == (set(served) == set(wanted)) or 'allocation table' in done.err
    return set(served)


@pytest.mark.parametrize('seed', [1, 2, 3, 4])
def test_every_file_equals_what_another_reader_finds(scratch, quire, mount, seed):
    path = make_random(scratch / 'a.beton', seed, workers=1 + seed % 3, page_bytes=PAGE << seed % 2)
    wanted = beton.paths(path)
    assert len(wanted) == 60 * 11
    mounted = mount(path)
    assert set(os.listdir(mounted.folder)) == set(wanted)
    assert tree_of(mounted.path) == wanted
    assert all((mounted / name).stat().st_size == len(content) for name, content in wanted.items())
    mounted.unmount()
    quire('verify', path).says('no fault')
    quire('extract', path, '-C', scratch / 'extracted')
    assert tree_of(scratch / 'extracted') == wanted
    quire('diff', path, scratch / 'extracted')


def test_images_and_arrays_may_be_larger_than_a_page_of_the_index(scratch, quire, mount):
    rng = random.Random(1)
    fields = [beton.int_field('label'), beton.image_field('image'), beton.array_field('mask', [['', '<i2']], (1500, 1000))]
    samples = [[i, ('raw', 1100, 1000, rng.randbytes(3300000)), rng.randbytes(3000000)] for i in range(3)]
    path = beton.write(scratch / 'a.beton', fields, samples, page_bytes=8 << 20)
    wanted = beton.paths(path)
    mounted = mount(path)
    assert tree_of(mounted.path) == wanted
    with open(mounted / '00000001.image.ppm', 'rb') as file:
        for _ in range(200):
            at = rng.randrange(3300020)
            file.seek(at)
            assert file.read(100) == wanted['00000001.image.ppm'][at:at + 100]
    assert quire('cat', path, '00000002.mask.npy').stdout == wanted['00000002.mask.npy']


def test_many_made_contents_take_several_pages_of_the_index(scratch, quire, mount):
    fields = [beton.int_field('label'), beton.array_field('array', [['', '|u1']], (1,))]
    path = beton.write(scratch / 'a.beton', fields, [[i, bytes([i % 256])] for i in range(20000)])
    wanted = beton.paths(path)
    mounted = mount(path)
    assert tree_of(mounted.path) == wanted
    quire('verify', path).says('no fault')
    assert json.loads(quire('info', '--json', path).out)['pages'] == 2


def test_commands_take_a_beton(scratch, quire, mount):
    path = make_small(scratch / 'a.beton')
    assert quire('ls', path).out.split() == ['00000000.image.jpg', '00000000.label.txt', '00000000.text', '00000001.image.ppm',
                                             '00000001.label.txt', '00000001.text', '00000002.image.jpg', '00000002.label.txt',
                                             '00000002.text']
    assert quire('cat', path, '00000000.label.txt').out == '7\n'
    assert quire('cat', path, '00000001.image.ppm').out == 'P6\n2 1\n255\npixels'
    assert quire('cat', path, '00000002.text').out == ''
    quire('info', path).says('order +archives', 'samples +9')
    mounted = mount(path)
    status = (mounted / '00000000.text').stat()
    assert (status.st_mtime_ns, status.st_uid, status.st_mode) == (path.stat().st_mtime_ns, path.stat().st_uid, 0o100644)
    done = quire('export', path)
    (scratch / 'a.tar').write_bytes(done.stdout)
    mounted.unmount()
    mounted = mount(scratch / 'a.tar')
    assert tree_of(mounted.path) == beton.paths(path)


def test_a_pack_is_made_of_a_beton_as_of_its_extracted_tree(scratch, quire, pack):
    path = make_random(scratch / 'a.beton', 5)
    quire('extract', path, '-C', scratch / 'extracted')
    os.utime(scratch / 'extracted', ns=(0, path.stat().st_mtime_ns))
    pack(scratch / 'extracted', scratch / 'wanted.quire', '--dedup')
    quire('pack', '--progress', 'never', '--dedup', '--from', path, '-o', scratch / 'got.quire')
    quire('verify', scratch / 'got.quire')
    assert (scratch / 'got.quire').read_bytes() == (scratch / 'wanted.quire').read_bytes()


def test_files_are_named_by_a_template(scratch, quire):
    path = make_small(scratch / 'a.beton')
    index = scratch / 'a.quire'
    quire('index', '--template', '{field}/{index:03d}', path, '-o', index)
    assert quire('ls', index, 'label').out.split() == ['000.txt', '001.txt', '002.txt']
    quire('extract', index, '-C', scratch / 'extracted')
    assert tree_of(scratch / 'extracted') == beton.paths(path, lambda sample, field: f'{field}/{sample:03d}')
    quire('index', '-f', '--template', '{index}/{field}', path, '-o', index)
    assert quire('ls', index, '1').out.split() == ['image.ppm', 'label.txt', 'text']
    for wrong in ('{index}', '{field}', '{index:8d}.{field}', '{index:099d}.{field}', '{index}.{field', '{index}{field}{name}', ''):
        quire('index', '-f', '--template', wrong, path, '-o', index, status=2).says('{index')


def test_an_extension_stands_once(scratch, quire):
    fields = [beton.image_field('jpg'), beton.bytes_field('caption.txt'), beton.int_field('cls'), beton.bytes_field('x' * 20),
              beton.bytes_field('x' * 17)]
    path = beton.write(scratch / 'a.beton', fields, [[('jpg', 1, 1, b'\xff\xd8\xff'), b'text', 3, b'x', b'also x']])
    assert quire('ls', path).out.split() == ['00000000.caption.txt', '00000000.cls.txt', '00000000.jpg',
                                             f'00000000.{"x" * 16}', f'00000000.{"x" * 16}-4']


def test_sums_find_what_changed_unseen(scratch, quire, mount):
    path = make_small(scratch / 'a.beton')
    index = scratch / 'a.quire'
    quire('index', '--sums', path, '-o', index)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[data.index(b'text of two')] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    # What was made for files has sums in every index.
    made = bytearray(index.read_bytes())
    made[made.index(b'P6\n2 1')] ^= 1
    index.write_bytes(made)
    done = quire('verify', index, status=1)
    assert done.says('sample damaged: 00000001.text', 'sample damaged: 00000001.image.ppm')
    mounted = mount(index)
    assert (mounted / '00000000.text').read_bytes() == b'text of one'
    for name in ('00000001.text', '00000001.image.ppm'):
        with pytest.raises(OSError, match='Input/output'):
            (mounted / name).read_bytes()


def test_without_the_beton_only_what_was_made_is_served(scratch, quire, mount):
    path = make_small(scratch / 'a.beton')
    index = scratch / 'a.quire'
    quire('index', path, '-o', index)
    path.unlink()
    folder = mount.prepare(scratch / 'mnt')
    quire('mount', index, folder).says('a.beton', 'cannot be read')
    assert (folder / '00000001.label.txt').read_bytes() == b'-7\n'
    with pytest.raises(OSError, match='Input/output'):
        (folder / '00000001.image.ppm').read_bytes()


def test_an_index_of_a_beton_is_replaced_where_it_was_asked_for(scratch, quire):
    path = make_small(scratch / 'a.beton')
    assert quire('cat', '--beside', path, '00000000.label.txt').out == '7\n'
    fields = [beton.int_field('label')]
    beton.write(path, fields, [[8]])
    assert quire('cat', '--beside', path, '00000000.label.txt').out == '8\n'


@pytest.mark.parametrize('seed', [11, 12])
def test_of_a_cut_beton_the_whole_values_are_served(scratch, quire, seed):
    whole = make_random(scratch / 'whole.beton', seed, samples=20)
    wanted = beton.paths(whole)
    data = whole.read_bytes()
    table_at = struct.unpack_from('<Q', data, 16)[0]
    first_page_at = PAGE
    rng = random.Random(seed)
    ends = [0, 10, 24, 500, FIELD_AT + 11 * 1041, FIELD_AT + 11 * 1041 + 100, first_page_at + 1, table_at, table_at + 24,
            len(data) - 24, len(data) - 1, *(rng.randrange(first_page_at, first_page_at + 900000) for _ in range(8)),
            *(rng.randrange(table_at, len(data)) for _ in range(4))]
    counts = []
    for end in sorted(ends):
        cut = scratch / 'cut.beton'
        cut.write_bytes(data[:end])
        counts.append(len(assert_serves_what_is_whole(scratch, quire, cut, wanted, told_as='no archive|is cut')))
    assert counts[0] == 0 and counts[-1] > len(wanted) - 20 and counts == sorted(counts), 'the more there is the more is served'


def set_field(path, at, width, value):
    with open(path, 'r+b') as file:
        file.seek(at)
        file.write(value.to_bytes(width, 'little'))


@pytest.mark.parametrize(('at', 'width', 'value', 'told'), [
    (SMALL_METADATA_AT + 5, 8, 0, r"00000000\.image\.jpg: sample 0, field 'image': how long the JPEG at byte 0 is"),
    (SMALL_METADATA_AT + SMALL_RECORD + 5, 8, 100, r"00000001\.image\.ppm: sample 1, field 'image': its place would be byte 100"),
    (SMALL_METADATA_AT + SMALL_RECORD, 1, 9, "sample 1, field 'image': its mode is 9"),
    (SMALL_METADATA_AT + SMALL_RECORD + 1, 2, 0, "sample 1, field 'image': its image has 0 x 1 pixels"),
    (SMALL_METADATA_AT + SMALL_RECORD + 3, 2, 5, "sample 1, field 'image': it has 30 bytes at byte [0-9]+ by the metadata, and 6 by"),
    (SMALL_METADATA_AT + 24, 8, 2**64 - 1, r"00000000\.text: sample 0, field 'text': its 11 bytes at byte 18446744073709551615"),
    (SMALL_METADATA_AT + 32, 8, 2**64 - 1, r"sample 0, field 'text': its 18446744073709551615 bytes at byte \d+ would reach behind"),
    (SMALL_METADATA_AT + 32, 8, 12, "sample 0, field 'text': it has 12 bytes at byte [0-9]+ by the metadata, and 11 by"),
    (SMALL_METADATA_AT + 24, 8, PAGE + 1, "sample 0, field 'text': .* and none by the allocation table"),
])
def test_a_value_that_lies_is_named_and_the_others_are_served(scratch, quire, at, width, value, told):
    path = make_small(scratch / 'a.beton')
    wanted = beton.paths(path)
    set_field(path, at, width, value)
    assert len(assert_serves_what_is_whole(scratch, quire, path, wanted)) == len(wanted) - 1
    quire('index', path, '-o', scratch / 'a.quire', status=1).says(told, 'damaged')


def test_values_that_share_bytes_are_served_once(scratch, quire):
    path = make_small(scratch / 'a.beton')
    wanted = beton.paths(path)
    first = struct.unpack_from('<Q', path.read_bytes(), SMALL_METADATA_AT + 24)[0]
    set_field(path, SMALL_METADATA_AT + SMALL_RECORD + 24, 8, first)
    wanted['00000001.text'] = wanted['00000000.text']
    served = assert_serves_what_is_whole(scratch, quire, path, wanted)
    assert len(served & {'00000000.text', '00000001.text'}) == 1
    quire('index', path, '-o', scratch / 'a.quire', status=1).says('text: its bytes belong to another member too')


def test_an_image_that_shares_its_pixels_takes_its_header_along(scratch, quire, mount):
    """The extents of headers and pixels close up where a file is left out."""
    fields = [beton.int_field('label'), beton.image_field('image')]
    path = beton.write(scratch / 'a.beton', fields, [[i, ('raw', 3, 2, b'%018d' % i)] for i in range(40)])
    wanted = beton.paths(path)
    metadata_at = FIELD_AT + 2 * 1041
    first = struct.unpack_from('<Q', path.read_bytes(), metadata_at + 13)[0]
    for sample in (7, 20, 39):
        set_field(path, metadata_at + 24 * sample + 13, 8, first)
        del wanted[f'{sample:08d}.image.ppm']
    index = scratch / 'a.quire'
    quire('index', path, '-o', index, status=1).says('00000007.image.ppm: its bytes belong', '00000039.image.ppm: its bytes belong')
    quire('verify', index, status=1).says('no fault', '3 members of the archives are left out')
    assert tree_of(mount(index).path) == wanted


@pytest.mark.parametrize(('at', 'width', 'value', 'told'), [
    (0, 2, 3, 'its version would be 3'), (2, 2, 0, 'no fields'), (4, 4, 12345, 'pages would have 12345 bytes'),
    (2, 2, 300, 'its header has 300 fields'), (16, 8, 0, 'FFCV was stopped'),
    (8, 8, 2**60, 'its header has 1152921504606846976 samples'), (16, 8, 30, 'the allocation table at byte 30, before the metadata of 3'),
    (FIELD_AT, 1, 255, "field 'image' is of a type of its own"),
    (FIELD_AT + 1041, 1, 99, "field 'label' has the unknown type 99"), (FIELD_AT + 1, 1, 200, 'field 0 .* not ASCII'),
])
def test_what_is_no_beton_that_can_be_read_is_refused_with_the_reason(scratch, quire, at, width, value, told):
    path = make_small(scratch / 'a.beton')
    set_field(path, at, width, value)
    quire('index', path, '-o', scratch / 'a.quire', status=1).says(told)
    assert not (scratch / 'a.quire').exists()


@pytest.mark.parametrize(('at', 'value', 'served', 'told'), [
    (8, 2, 6, 'its allocation table has 6 entries, and the values need 4'),
    (16, 2**63, 7, 'its allocation table would begin at byte 9223372036854775808'),
])
def test_a_header_that_lies_is_told_and_what_can_be_is_served(scratch, quire, at, value, served, told):
    path = make_small(scratch / 'a.beton')
    wanted = beton.paths(path)
    set_field(path, at, 8, value)
    index = scratch / 'a.quire'
    quire('index', path, '-o', index, status=1).says(told)
    quire('verify', index, status=1).says('no fault', 'left out of this index')
    listed = set(quire('ls', index).out.split()) & set(wanted)
    assert len(listed) >= served
    for name in listed:
        assert quire('cat', index, name).stdout == wanted[name]


def test_arrays_of_other_types_are_told_once(scratch, quire):
    fields = [beton.array_field('objects', [['', '|O']], (2,)), beton.array_field('huge', [['', '<f8']], (2**40, 2**40)),
              beton.array_field('quote', [['', "<f4', 'x': '"]], (2,)), beton.int_field('label')]
    path = beton.write(scratch / 'a.beton', fields, [[b'12345678', b'x', b'x', i] for i in range(50)])
    done = quire('index', path, '-o', scratch / 'a.quire', status=1)
    assert done.says("field 'objects': its type", "field 'huge': its shape", "field 'quote': its type", 'without 3 things')
    assert len(quire('ls', scratch / 'a.quire').out.split()) == 50


def test_damaged_tables_never_end_the_command(scratch, quire):
    """Whatever is served passes verify: each byte is one of the file, and none is served twice."""
    rng = random.Random(99)
    whole = make_random(scratch / 'whole.beton', 21, samples=4).read_bytes()
    tables = [*range(24), *range(24 + 11 * 1041, 24 + 11 * 1041 + 600), *range(struct.unpack_from('<Q', whole, 16)[0], len(whole))]
    path, index = scratch / 'a.beton', scratch / 'a.quire'
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 8)):
            at = rng.choice(tables)
            data[at] = rng.choice([0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)])
        path.write_bytes(data)
        done = quire('index', '-f', path, '-o', index, status=None)
        assert done.returncode in (0, 1), done.said
        if index.exists():
            quire('verify', index, status=done.returncode).says('no fault')
            index.unlink()
