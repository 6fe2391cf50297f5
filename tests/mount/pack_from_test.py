#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire pack --from` makes of a pack or of archives what extracting them and packing that would make, to the byte, and what
cannot be read of them is named and never wrong."""
import json
import os
import random
import shutil
import zipfile

import harness
import pytest
from random_tree import RandomTree

TAR = ('tar', '--numeric-owner', '--xattrs', '--xattrs-include=user.*', '--format=pax')


def pack_from(source, output, *options, **how):
    __tracebackhide__ = True
    return harness.quire('pack', '--progress', 'never', '--from', source, '-o', output, *options, **how)


def assert_repacks_as_extracted(scratch, source, *options):
    """Only root's extraction keeps owners, by which all others' would differ."""
    __tracebackhide__ = True
    if not harness.is_root():
        pytest.skip('only root extracts owners')
    extracted = scratch / 'extracted'
    if not extracted.exists():
        harness.quire('extract', source, '-C', extracted)
    harness.pack(extracted, scratch / 'wanted.quire', '-f', *options)
    pack_from(source, scratch / 'got.quire', '-f', *options)
    harness.quire('verify', scratch / 'got.quire')
    assert (scratch / 'got.quire').read_bytes() == (scratch / 'wanted.quire').read_bytes(), f'{source} {options}'


def change_byte(path, needle):
    data = bytearray(path.read_bytes())
    data[data.index(needle)] ^= 1
    path.write_bytes(data)


def forge(what, *arguments):
    harness.run(harness.find_program('forge_pack'), what, *map(str, arguments))


ORDERS = [(), ('--order', 'shuffle:7', '--dedup'), ('--mtime', '2026-01-01', '--owner', '7:8')]


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_a_pack_is_packed_again_as_its_extracted_tree(scratch, pack, seed):
    tree = RandomTree(random.Random(seed), scratch / 'tree', 200)
    assert tree.files
    pack(scratch / 'tree', scratch / 'tree.quire', '--order', f'shuffle:{seed}', *(('--dedup',) if seed == 2 else ()))
    for options in ORDERS:
        assert_repacks_as_extracted(scratch, scratch / 'tree.quire', *options)


@pytest.mark.parametrize('sparse', [False, True])
@pytest.mark.parametrize('seed', [4, 5])
def test_a_tar_is_packed_as_its_extracted_tree(scratch, seed, sparse):
    tree = RandomTree(random.Random(seed), scratch / 'tree', 200)
    assert tree.files
    harness.run(*TAR, *(('--sparse',) if sparse else ()), '-C', scratch / 'tree', '-cf', scratch / 'tree.tar', '.')
    for options in ORDERS:
        assert_repacks_as_extracted(scratch, scratch / 'tree.tar', *options)
    harness.quire('index', '--sums', scratch / 'tree.tar', '-o', scratch / 'tree.quire')
    assert_repacks_as_extracted(scratch, scratch / 'tree.quire')


def test_members_of_a_zip_may_be_cut_where_a_page_ends(scratch):
    with zipfile.ZipFile(scratch / 'a.zip', 'w') as archive:
        for i in range(60):  # a page holds 13 and a part of the next
            archive.writestr(f'{i:02}', random.Random(i).randbytes(150000))
    assert_repacks_as_extracted(scratch, scratch / 'a.zip')


def test_a_pack_does_not_change_when_it_is_packed_again(scratch, pack):
    RandomTree(random.Random(6), scratch / 'tree', 100)
    pack(scratch / 'tree', scratch / 'a.quire')
    before = (scratch / 'a.quire').read_bytes()
    pack_from(scratch / 'a.quire', scratch / 'b.quire', '--order', 'shuffle:3')
    assert (scratch / 'b.quire').read_bytes() != before
    pack_from(scratch / 'b.quire', scratch / 'b.quire', '-f')
    assert (scratch / 'b.quire').read_bytes() == before, 'and a pack may take its own place'


def test_zips_and_shards_become_one_pack(scratch, quire):
    for shard in range(3):
        (scratch / f'tree{shard}').mkdir()
        for sample in range(4):
            (scratch / f'tree{shard}/{shard}{sample}.txt').write_text(f'{shard} {sample}')
        harness.run('tar', '-C', scratch / f'tree{shard}', '-cf', scratch / f'set-{shard:04}.tar', '.')
    pack_from(scratch / 'set-{0000..0002}.tar', scratch / 'set.quire')
    assert len(quire('ls', scratch / 'set.quire').out.split()) == 12
    assert quire('cat', scratch / 'set.quire', '23.txt').out == '2 3'
    shutil.make_archive(str(scratch / 'tree'), 'zip', scratch / 'tree1')
    harness.run('python3', '-c', 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").write(sys.argv[2], "a/b")',
                scratch / 'stored.zip', scratch / 'tree1/10.txt')
    pack_from(scratch / 'stored.zip', scratch / 'zip.quire')
    assert quire('cat', scratch / 'zip.quire', 'a/b').out == '1 0'
    for archive in scratch.glob('*.tar'):
        archive.unlink()
    quire('verify', scratch / 'set.quire')


def test_patterns_and_lists_choose_as_they_do_in_a_directory(scratch, pack):
    tree = scratch / 'tree'
    for folder in ('keep', 'cache', 'deep/cache', 'deep/er/cache'):
        (tree / folder).mkdir(parents=True)
    for path in ('a.txt', 'b.tmp', 'keep/a.txt', 'keep/b.tmp', 'cache/c', 'deep/cache/c', 'deep/er/cache/c', 'deep/er/a.txt'):
        (tree / path).write_text(path)
    os.link(tree / 'a.txt', tree / 'keep/second name')
    os.link(tree / 'a.txt', tree / 'deep/er/third name')
    pack(tree, scratch / 'all.quire')
    (scratch / 'list').write_text('keep\n./deep/er/a.txt\ndeep/er/third name\n')
    for options in (('--exclude', '*.tmp', '--exclude', 'cache/', '--exclude', 'none'), ('--exclude', '/a.txt'), ('--exclude', 'deep/**'),
                    ('--files-from', scratch / 'list'), ('--files-from', scratch / 'list', '--exclude', '*.tmp')):
        wanted = pack(tree, scratch / 'wanted.quire', '-f', '-v', *options)
        got = pack_from(scratch / 'all.quire', scratch / 'got.quire', '-f', '-v', *options)
        assert got.said.replace('got.quire', 'wanted.quire') == wanted.said
        assert (scratch / 'got.quire').read_bytes() == (scratch / 'wanted.quire').read_bytes(), options
    (scratch / 'list').write_text('gone\n')
    pack_from(scratch / 'all.quire', scratch / 'new.quire', '--files-from', scratch / 'list', status=1).says('gone: .*not there')
    assert not (scratch / 'new.quire').exists()


def test_a_dry_run_tells_the_size_and_writes_nothing(scratch, pack, quire):
    (scratch / 'tree').mkdir()
    for name in ('a', 'b', 'c'):
        (scratch / 'tree' / name).write_text(name * 1000)
    pack(scratch / 'tree', scratch / 'tree.quire')
    told = quire('pack', '-n', '--from', scratch / 'tree.quire', '--exclude', 'b')
    assert told.out.split('\n')[:2] == ['a', 'c']
    made = pack_from(scratch / 'tree.quire', scratch / 'out.quire', '--exclude', 'b')
    assert told.out.splitlines()[2].split(';')[1] == made.out.splitlines()[0].split(';')[1]


def test_damaged_samples_are_named_and_left_out_only_when_asked(scratch, pack, quire):
    (scratch / 'tree').mkdir()
    for i in range(20):
        (scratch / f'tree/{i:02}').write_text(f'<sample {i:02}>' * 100)
    os.link(scratch / 'tree/07', scratch / 'tree/z')
    pack(scratch / 'tree', scratch / 'tree.quire')
    change_byte(scratch / 'tree.quire', b'<sample 07>')
    out = scratch / 'out.quire'
    pack_from(scratch / 'tree.quire', out, status=1).says('07: .*checksum', 'nothing was written')
    assert not out.exists()
    pack_from(scratch / 'tree.quire', out, '--skip-unreadable', status=1).says('07: .*checksum', 'z: has the content', 'without 2 entries')
    quire('verify', out)
    assert quire('ls', out).out.split() == [f'{i:02}' for i in range(20) if i != 7]
    assert quire('cat', out, '19').out == '<sample 19>' * 100


def test_an_archive_that_changed_is_not_packed(scratch, quire):
    (scratch / 'tree').mkdir()
    (scratch / 'tree/a').write_text('first')
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'a.tar', '.')
    quire('index', scratch / 'a.tar', '-o', scratch / 'a.quire')
    (scratch / 'a.tar').write_bytes((scratch / 'a.tar').read_bytes() + bytes(10240))
    pack_from(scratch / 'a.quire', scratch / 'out.quire', status=1).says('a: .*a.tar')
    assert not (scratch / 'out.quire').exists()


def test_damaged_entries_are_named_and_left_out_only_when_asked(scratch, pack, quire):
    tree = scratch / 'tree'
    for folder in range(45):
        (tree / f'folder{folder:02}').mkdir(parents=True)
        for i in range(100):
            (tree / f'folder{folder:02}/{i:02}').write_text('same')
    pack(tree, scratch / 'tree.quire', '--dedup')
    # The nodes are 145 KB: the second block of the index has nothing but nodes.
    at = 12288 + 65536 + 1000
    data = bytearray((scratch / 'tree.quire').read_bytes())
    data[at] ^= 1
    (scratch / 'tree.quire').write_bytes(data)
    out = scratch / 'out.quire'
    pack_from(scratch / 'tree.quire', out, status=1).says('^quire pack: folder..: index block 1', 'further entries', 'nothing was written')
    assert not out.exists()
    pack_from(scratch / 'tree.quire', out, '--skip-unreadable', status=1).says('folder..: index block 1', 'without 2,?048 entries')
    quire('verify', out)
    samples = json.loads(quire('info', '--json', out).out)['samples']
    assert samples == 4500 - 65536 // 32, 'but for those of that block, all are there'


def test_a_path_that_is_too_long_is_named(scratch, quire):
    forge('chain', 3000, scratch / 'chain.quire')
    pack_from(scratch / 'chain.quire', scratch / 'out.quire', status=1).says('its path is longer')
    pack_from(scratch / 'chain.quire', scratch / 'out.quire', '--skip-unreadable', status=1)
    quire('verify', scratch / 'out.quire')


def test_lying_packs_are_errors_and_nothing_else(scratch, pack, quire):
    forge('shared', 20, scratch / 'shared.quire')
    forge('spaced', 20, scratch / 'spaced.quire')
    RandomTree(random.Random(8), scratch / 'tree', 60)
    pack(scratch / 'tree', scratch / 'tree.quire', '--dedup')
    seeds = range(60)
    for seed in seeds:
        forge('mutate', seed, scratch / 'tree.quire', scratch / f'{seed}.quire')
    refused = 0
    for source in [scratch / f'{name}.quire' for name in ('shared', 'spaced', *seeds)]:
        out = scratch / 'out.quire'
        done = pack_from(source, out, '-f', '--skip-unreadable', status=None, timeout=60)
        assert done.returncode in (0, 1), f'{source}: {done.said}'
        refused += done.returncode
        if out.exists():
            quire('verify', out)
            out.unlink()
        source.unlink()
    assert refused > len(seeds) // 4


def test_what_makes_no_sense_is_refused(scratch, pack, quire):
    (scratch / 'tree').mkdir()
    pack(scratch / 'tree', scratch / 'a.quire')
    out = scratch / 'out.quire'
    quire('pack', '-o', out, status=2).says('SRC')
    quire('pack', scratch / 'tree', '--from', scratch / 'a.quire', '-o', out, status=2).says('--from')
    pack_from(scratch / 'a.quire', out, '-x', status=2).says('--one-file-system')
    pack(scratch / 'tree', out, '--beside', status=2).says('--from')
    pack_from('', out, status=2).says("--from ''")
    pack_from(scratch / 'tree', out, status=1).says('is a directory')
    pack_from(scratch / 'none', out, status=1).says('No such file')
    (scratch / 'text').write_text('text')
    pack_from(scratch / 'text', out, status=1).says('not a Quire pack')
    pack_from(scratch / 'a.quire', scratch / 'a.quire', status=1).says('--force')
    assert not out.exists()
