#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: what a pack gets by `quire append` and `quire pack --update` is compressed where that is asked for, or what is there is; each
generation stays the tree that it is, and a dry run says what would be written."""
import json
import os
import random
import shutil

import harness
import pytest
from growing import append, assert_history, copy, copy_over, generations, pack, update, write
from random_tree import RandomTree


# What texts of a kind have in common, for a dictionary to know.
LETTERHEAD = ''.join(random.Random(1).choices('abcdefghijklmnopqrstuvwxyz ', k=1500))


def make_texts(folder, seed, count=160):
    """Small texts that share frames or dictionaries, a large one of many frames, noise, and nothing."""
    chance = random.Random(seed)
    words = [f'word{number}' for number in range(200)]
    for number in range(count):
        text = f'{LETTERHEAD} {number}: ' + ' '.join(chance.choices(words, k=chance.choice((5, 80, 400))))
        write(folder / f'{number % 5}/{seed}-{number}.{"json" if number % 2 else "txt"}', text)
    write(folder / f'large-{seed}', ' '.join(chance.choices(words, k=200_000)))
    write(folder / f'noise-{seed}', chance.randbytes(3_000_000))
    write(folder / f'empty-{seed}', '')


def compression(packed, generation=0):
    return json.loads(harness.quire('info', packed, '--json', '--generation', str(generation or len(generations(packed)))).out)['compression']


WAYS = {'plain': (), 'together': ('--compress', 'zstd'), 'alone': ('--compress', 'zstd:9', '--alone', '--dict', '4K')}


@pytest.mark.parametrize('first', WAYS)
@pytest.mark.parametrize('further', WAYS)
def test_generations_are_compressed_in_ways_of_their_own(scratch, mount, first, further):
    make_texts(scratch / 'tree', 1)
    packed = pack(scratch / 'tree', scratch / 'p.quire', *WAYS[first])
    copies = [scratch / 'tree']
    for number, options in ((2, WAYS[further]), (3, ()), (4, WAYS['alone'])):
        make_texts(scratch / f'more{number}', number)
        write(scratch / f'more{number}/0/1-0.txt', f'in place of what was there before, {number} ' * 50)
        copy(copies[-1], scratch / f'model{number}')
        copy_over(scratch / f'more{number}', scratch / f'model{number}')
        append(packed, scratch / f'more{number}', *options)
        copies.append(scratch / f'model{number}')
    assert_history(packed, copies, mount)
    if first == further == 'plain':
        assert compression(packed, 3) is None
    harness.quire('extract', packed, '-C', scratch / 'extracted')
    harness.assert_same_tree(copies[-1], scratch / 'extracted')
    harness.quire('compact', packed, '--in-place')
    assert_history(packed, copies[-1:], mount)


def test_what_is_there_says_how_new_samples_are_compressed(scratch):
    for name, options in WAYS.items():
        make_texts(scratch / 'tree', 1)
        packed = pack(scratch / 'tree', scratch / f'{name}.quire', *options)
        before = compression(packed)
        make_texts(scratch / 'more', 2)
        said = append(packed, scratch / 'more')
        if name == 'plain':
            assert before is None and compression(packed) is None and 'compressed 1' not in said.out
            continue
        said.says('compressed 161 samples of')
        assert compression(packed)['dictionaries'] >= before['dictionaries']
        assert (before['dictionaries'] > 0) == (name == 'alone')
        if name == 'alone':
            assert compression(packed)['dictionaries'] > before['dictionaries']
        size = packed.stat().st_size
        append(packed, scratch / 'more', '--at', 'as they are', '--compress', 'none')
        assert packed.stat().st_size - size > sum(file.stat().st_size for file in (scratch / 'more').rglob('*') if file.is_file())
        shutil.rmtree(scratch / 'tree')
        shutil.rmtree(scratch / 'more')


def test_a_mount_that_follows_shows_the_first_samples_that_are_compressed(scratch, mount):
    make_texts(scratch / 'tree', 1)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    followed = mount(packed, 'follow')
    harness.assert_same_tree(scratch / 'tree', followed.folder)
    for number in 2, 3:
        make_texts(scratch / f'more{number}', number)
        append(packed, scratch / f'more{number}', *WAYS['alone'])
        copy_over(scratch / f'more{number}', scratch / 'tree')
        harness.until(20, lambda wanted=number: json.loads((followed / '.quire/stats').read_text())['generation'] == wanted, f'generation {number}')
        harness.assert_same_tree(scratch / 'tree', followed.folder)


@pytest.mark.parametrize('way', WAYS)
def test_an_update_compresses_and_stores_equal_samples_once(scratch, mount, way):
    chance = random.Random(way)
    tree = scratch / 'tree'
    RandomTree(chance, tree, 60)
    make_texts(tree, 1)
    packed = pack(tree, scratch / 'p.quire')
    copy(tree, scratch / 'before')
    make_texts(tree, 2)
    same = chance.randbytes(1 << 20)
    for number in range(8):
        write(tree / f'same/{number}', same)
    os.link(tree / 'same/3', tree / 'same/link')
    size = packed.stat().st_size
    update(tree, packed, '--dedup', *WAYS[way])
    assert packed.stat().st_size - size < 10 << 20
    copy(tree, scratch / 'between')
    assert_history(packed, [scratch / 'before', scratch / 'between'], mount)
    update(tree, packed, *WAYS[way]).says('nothing has changed')
    # What is stored once stays as long as one of those that have it.
    (tree / 'same/0').unlink()
    write(tree / 'same/1', 'something else')
    update(tree, packed)
    assert_history(packed, [scratch / 'before', scratch / 'between', tree], mount)


def test_what_is_told_of_compression_is_of_the_generation(scratch):
    """A name that takes the place of one of two of a sample, and one that is removed."""
    for name in 'old', 'gone':
        write(scratch / f'tree/{name}.txt', 'some text that gets smaller ' * 500)
    os.link(scratch / 'tree/old.txt', scratch / 'tree/link.txt')
    packed = pack(scratch / 'tree', scratch / 'p.quire', '--compress', 'zstd')
    assert compression(packed)['samples'] == 2
    write(scratch / 'more/old.txt', 'another text that gets smaller ' * 300)
    append(packed, scratch / 'more')
    harness.quire('rm', '-q', packed, 'gone.txt')
    told = compression(packed)
    assert told['samples'] == 2 and told['sample_bytes'] == 28 * 500 + 31 * 300


def test_a_dry_run_lists_what_would_be_written(scratch):
    make_texts(scratch / 'tree', 1, 20)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    before = packed.read_bytes()
    update(scratch / 'tree', packed, '-n').says('nothing has changed since generation 1')
    write(scratch / 'tree/new/a', 'new')
    write(scratch / 'tree/0/1-0.txt', 'changed')
    (scratch / 'tree/empty-1').unlink()
    planned = update(scratch / 'tree', packed, '-n').out.splitlines()
    assert planned[:-1] == ['0/1-0.txt', 'new/a']
    assert planned[-1].endswith('would be generation 2: +1 directory; 2 samples to write; nothing written (dry run)')
    append(packed, scratch / 'tree', '-n', '--at', 'copy').says(r'would be generation 2: \+23 samples', '^new/a$')
    assert packed.read_bytes() == before
    harness.quire('pack', scratch / 'tree', '--update', '-n', status=2).says('-o names the pack')


def test_what_is_no_way_to_compress_is_told(scratch):
    make_texts(scratch / 'tree', 1, 5)
    packed = pack(scratch / 'tree', scratch / 'p.quire')
    before = packed.read_bytes()
    for words in ('--compress', 'lzma'), ('--compress', 'zstd:20'), ('--compress', 'zstd', '--alone', '--dict', 'many'):
        append(packed, scratch / 'tree', *words, status=2).says(words[-2], words[-1])
        update(scratch / 'tree', packed, *words, status=2).says(words[-2], words[-1])
    assert packed.read_bytes() == before
