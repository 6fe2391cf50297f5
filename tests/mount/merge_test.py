#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: several packs are seen as one, by an index of all or as a copy, equal to the tree that their trees make together; what cannot
be one is named, and nothing is written."""
import json
import os
import random
import shutil
import signal
import subprocess
import zipfile

import harness
import pytest
from random_tree import RandomTree


def lay_over(whole, *trees):
    """The trees in one, as `quire merge` makes it of their packs: directories have the attributes of the first."""
    for tree in reversed(trees):
        harness.run('cp', '-a', f'{tree}/.', whole)
    return whole


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def of_random(scratch, name, seed):
    """A tree whose names no other one has, but for the folder `common`."""
    tree = scratch / name
    tree.mkdir()
    RandomTree(random.Random(seed), tree / f'only-{name}', 80)
    write(tree / 'common' / name / 'large', random.Random(seed).randbytes((5 << 20) + seed))
    write(tree / 'common' / f'{name}.txt', f'text of {name}\n' * 1000)
    return tree


@pytest.fixture(name='trees')
def make_trees(scratch):
    return [of_random(scratch, name, seed) for seed, name in enumerate(('first', 'second', 'third'))]


@pytest.mark.parametrize('words', [(), ('--copy',)], ids=['index', 'copy'])
@pytest.mark.parametrize('packing', [(), ('--compress', 'zstd'), ('--compress', 'zstd', '--alone', '--dict', '8K')], ids=' '.join)
def test_a_mount_equals_the_trees_together(scratch, trees, mount, pack, quire, packing, words):
    packs = [scratch / f'{tree.name}.quire' for tree in trees]
    for number, (tree, packed) in enumerate(zip(trees, packs)):
        pack(tree, packed, *(packing if number != 1 else ()))  # one of them is as it always was
    merged = scratch / 'merged.quire'
    quire('merge', *packs, '-o', merged, *words)
    (scratch / 'whole').mkdir()
    whole = lay_over(scratch / 'whole', *trees)
    quire('verify', merged).says('no fault')
    quire('diff', merged, whole)
    mounted = mount(merged)
    harness.assert_same_tree(whole, mounted.folder)
    mounted.unmount()
    if words:  # which needs the packs no more
        for packed in packs:
            packed.unlink()
        quire('verify', merged).says('no fault')
    else:
        assert merged.stat().st_size < sum(packed.stat().st_size for packed in packs) / 20


def test_packs_lie_in_folders(scratch, trees, mount, quire, pack):
    packs = [scratch / f'{tree.name}.quire' for tree in trees]
    for tree, packed in zip(trees, packs):
        pack(tree, packed)
    merged = scratch / 'merged.quire'
    quire('merge', *packs, '-o', merged, '--at', 'first=train', '--at', 'second.quire=deep/er/val', '--at', f'{packs[2]}=train/only-first/more/')
    expected = scratch / 'expected'
    (expected / 'deep/er').mkdir(parents=True)
    harness.run('cp', '-a', trees[0], expected / 'train')
    harness.run('cp', '-a', trees[1], expected / 'deep/er/val')
    harness.run('cp', '-a', trees[2], expected / 'train/only-first/more')
    for above, below in (('deep/er', trees[1]), ('deep', trees[1]), ('train/only-first', trees[0] / 'only-first'), ('.', trees[0])):
        shutil.copystat(below, expected / above)
    for above in ('deep/er', 'deep', '.'):  # which no pack has
        (expected / above).chmod(0o755)
    harness.assert_same_tree(expected, mount(merged).folder)
    quire('ls', merged).says('^deep$', '^train$')


def test_merged_packs_are_merged_again(scratch, trees, quire, pack):
    for tree in trees:
        pack(tree, scratch / f'{tree.name}.quire', '--compress', 'zstd')
    quire('merge', scratch / 'first.quire', scratch / 'second.quire', '-o', scratch / 'two.quire')
    quire('merge', scratch / 'two.quire', scratch / 'third.quire', '-o', scratch / 'three.quire')
    quire('merge', scratch / '{first,second,third}.quire', '-o', scratch / 'at-once.quire')
    quire('verify', scratch / 'three.quire').says('no fault')
    quire('extract', scratch / 'at-once.quire', '-C', scratch / 'extracted')
    quire('diff', scratch / 'three.quire', scratch / 'extracted')
    (scratch / 'two.quire').unlink()  # in which no byte of a sample lies
    quire('verify', scratch / 'three.quire').says('no fault')
    quire('merge', scratch / 'three.quire', '-o', scratch / 'four.quire')
    quire('diff', scratch / 'four.quire', scratch / 'extracted')


def test_indexes_of_archives_are_merged_with_packs(scratch, mount, quire, pack):
    """A tar, a zip whose members are deflated, and a pack."""
    for name in ('tarred', 'zipped', 'packed'):
        for number in range(20):
            write(scratch / name / name / f'{number}.txt', f'{name} {number}\n' * 200)
    harness.run('tar', '--format=pax', '-C', scratch / 'tarred', '-cf', scratch / 'set.tar', '.')
    with zipfile.ZipFile(scratch / 'set.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((scratch / 'zipped').rglob('*.txt')):
            archive.write(path, path.relative_to(scratch / 'zipped'))
    quire('index', scratch / 'set.tar', '-o', scratch / 'tar.quire')
    quire('index', scratch / 'set.zip', '-o', scratch / 'zip.quire')
    pack(scratch / 'packed', scratch / 'pack.quire', '--compress', 'zstd')
    for words in (), ('--copy',):
        merged = scratch / f'merged{len(words)}.quire'
        quire('merge', scratch / 'pack.quire', scratch / 'tar.quire', scratch / 'zip.quire', '-o', merged, *words)
        quire('verify', merged).says('no fault')
        mounted = mount(merged, folder=scratch / f'mnt{len(words)}')
        for name in ('tarred', 'zipped', 'packed'):
            for number in range(20):
                assert (mounted / name / f'{number}.txt').read_text() == f'{name} {number}\n' * 200


@pytest.mark.parametrize('packing', [(), ('--compress', 'zstd')], ids=' '.join)
def test_of_packs_that_have_grown_the_newest_generation_is_taken(scratch, trees, mount, pack, quire, packing):
    """Names of samples are gone whose others stay, large samples came later, and equal ones share bytes of one that is gone."""
    first = trees[0]
    for name in ('gone', 'stays', 'stays-too'):
        write(first / name, 'the same\n' * 3000)
    write(first / 'large-gone', random.Random(11).randbytes(5 << 20))
    write(first / 'large-stays', random.Random(11).randbytes(5 << 20))
    write(first / 'a-name', 'hard link\n' * 100)
    os.link(first / 'a-name', first / 'zz-other-name')
    packed = scratch / 'first.quire'
    pack(first, packed, '--dedup', *packing)
    for name in ('gone', 'large-gone', 'a-name'):
        quire('rm', packed, name)
        (first / name).unlink()
    write(scratch / 'more/common/first/large', random.Random(12).randbytes(7 << 20))
    write(scratch / 'more/common/new', 'new')
    os.link(scratch / 'more/common/new', scratch / 'more/another')
    quire('append', packed, scratch / 'more')
    grown = scratch / 'grown'
    quire('extract', packed, '-C', grown)
    pack(trees[1], scratch / 'second.quire', *packing)
    (scratch / 'whole').mkdir()
    whole = lay_over(scratch / 'whole', grown, trees[1])
    for words in (), ('--copy',):
        merged = scratch / f'merged{len(words)}.quire'
        quire('merge', packed, scratch / 'second.quire', '-o', merged, *words)
        quire('verify', merged).says('no fault')
        mounted = mount(merged, folder=scratch / f'mnt{len(words)}')
        harness.assert_same_tree(whole, mounted.folder)
        mounted.unmount()


@pytest.mark.parametrize('other', ['same', 'folder'])
def test_one_path_in_two_packs_is_refused(scratch, quire, pack, other):
    write(scratch / 'a/folder/sample', 'a')
    write(scratch / ('b/folder/sample' if other == 'same' else 'b/folder/sample/below'), 'b')
    for name in 'ab':
        pack(scratch / name, scratch / f'{name}.quire')
    for words in (), ('--copy',):
        quire('merge', scratch / 'a.quire', scratch / 'b.quire', '-o', scratch / 'merged.quire', *words, status=1).says(
            r"'folder/sample' is in .*a\.quire and in .*b\.quire", '--at')
    assert sorted(path.name for path in scratch.iterdir()) == ['a', 'a.quire', 'b', 'b.quire']
    quire('merge', scratch / 'a.quire', scratch / 'b.quire', '-o', scratch / 'merged.quire', '--at', 'b=b')
    assert quire('cat', scratch / 'merged.quire', 'folder/sample').out == 'a'


def test_an_index_elsewhere_needs_the_places_of_its_packs(scratch, mount, quire, pack):
    write(scratch / 'a/sample', 'a')
    (scratch / 'packs').mkdir()
    (scratch / 'elsewhere').mkdir()
    pack(scratch / 'a', scratch / 'packs/a.quire')
    merged = scratch / 'elsewhere/merged.quire'
    quire('merge', scratch / 'packs/a.quire', '-o', merged).says('1 file lies not in the folder', 'volumes=')
    quire('cat', merged, 'sample', status=1).says('volumes=')
    assert quire('cat', merged, 'sample', '--volumes', scratch / 'packs').out == 'a'
    assert (mount(merged, f'volumes={scratch}/packs') / 'sample').read_text() == 'a'
    quire('merge', '-f', scratch / 'packs/a.quire', '--copy', '-o', merged)
    assert quire('cat', merged, 'sample').out == 'a'


def test_folders_of_packs_and_index_are_moved_together(scratch, quire, pack):
    write(scratch / 'set/a/sample', 'a')
    (scratch / 'set/packs').mkdir()
    pack(scratch / 'set/a', scratch / 'set/packs/a.quire')
    quire('merge', scratch / 'set/packs/a.quire', '-o', scratch / 'set/merged.quire')
    (scratch / 'set').rename(scratch / 'moved')
    assert quire('cat', scratch / 'moved/merged.quire', 'sample').out == 'a'


def test_a_pack_reads_no_more_through_an_index_of_it(scratch, quire):
    """One made by anybody names a file outside of its own folder, which the merged index would lie beside."""
    write(scratch / 'secret.tar', b'')
    (scratch / 'hostile').mkdir()
    write(scratch / 'tree/name', 'secret')
    harness.run('tar', '-C', scratch / 'tree', '-cf', scratch / 'secret.tar', 'name')
    quire('index', scratch / 'secret.tar', '-o', scratch / 'hostile/index.quire')
    quire('merge', scratch / 'hostile/index.quire', '-o', scratch / 'merged.quire', status=1).says('lies in no place that this pack may read')
    assert not (scratch / 'merged.quire').exists()
    quire('merge', scratch / 'hostile/index.quire', '-o', scratch / 'merged.quire', '--volumes', scratch)
    assert quire('cat', scratch / 'merged.quire', 'name').out == 'secret'


def test_a_symlink_to_an_index_has_its_archives_beside_it(scratch, quire):
    """Where all commands look for them; one beside the index itself is another one."""
    write(scratch / 'a/sample', 'a')
    for folder in 'real', 'linked':
        (scratch / folder).mkdir()
        harness.run('tar', '-C', scratch / 'a', '-cf', scratch / folder / 'a.tar', 'sample')
    quire('index', scratch / 'linked/a.tar', '-o', scratch / 'linked/a.quire')
    (scratch / 'linked/a.quire').rename(scratch / 'real/a.quire')
    (scratch / 'linked/a.quire').symlink_to('../real/a.quire')
    os.utime(scratch / 'real/a.tar', (1, 1))
    quire('merge', scratch / 'linked/a.quire', '-o', scratch / 'merged.quire')
    assert quire('cat', scratch / 'merged.quire', 'sample').out == 'a'


def test_a_pack_that_changed_is_not_read(scratch, quire, pack):
    write(scratch / 'a/sample', 'a')
    write(scratch / 'b/other', 'b')
    for name in 'ab':
        pack(scratch / name, scratch / f'{name}.quire')
    quire('merge', scratch / 'a.quire', scratch / 'b.quire', '-o', scratch / 'merged.quire')
    write(scratch / 'a/sample', 'A')
    pack(scratch / 'a', scratch / 'a.quire', '-f')
    quire('cat', scratch / 'merged.quire', 'sample', status=1).says(r'a\.quire.* has changed')
    assert quire('cat', scratch / 'merged.quire', 'other').out == 'b'


@pytest.mark.parametrize('packing', [(), ('--compress', 'zstd', '--alone')], ids=' '.join)
def test_damage_harms_one_sample(scratch, mount, quire, pack, packing):
    for name in 'ab':
        for number in range(30):
            write(scratch / name / f'{name}{number}', ''.join(f'{name}{number} {line}\n' for line in range(100)))
        pack(scratch / name, scratch / f'{name}.quire', *packing)
    merged = scratch / 'merged.quire'
    quire('merge', scratch / 'a.quire', scratch / 'b.quire', '-o', merged)
    harness.flip(scratch / 'b.quire', 8192 + 20)
    mounted = mount(merged)
    bad = []
    for name in sorted(os.listdir(mounted.folder)):
        try:
            assert (mounted / name).read_bytes() == (scratch / name[0] / name).read_bytes()
        except OSError:
            bad.append(name)
    assert len(bad) == 1 and bad[0].startswith('b')
    quire('verify', merged, status=1).says(bad[0])
    # A copy is not made of what cannot be read.
    quire('merge', '--copy', scratch / 'a.quire', scratch / 'b.quire', '-o', scratch / 'copy.quire', status=1).says(bad[0], 'nothing was written$')
    assert not (scratch / 'copy.quire').exists()


def test_a_damaged_index_makes_none(scratch, quire, pack):
    write(scratch / 'a/sample', 'a')
    pack(scratch / 'a', scratch / 'a.quire')
    document = json.loads(quire('info', '--json', scratch / 'a.quire').out)
    harness.flip(scratch / 'a.quire', document['pack_bytes'] - 40 if 'pack_bytes' in document else 0x3000 + 8)
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire', status=1).says(r'a\.quire')
    assert not (scratch / 'merged.quire').exists()


def test_the_same_packs_give_the_same_bytes(scratch, trees, quire, pack):
    for tree in trees:
        pack(tree, scratch / f'{tree.name}.quire', '--compress', 'zstd')
    packs = [scratch / f'{tree.name}.quire' for tree in trees]
    for number in range(2):
        quire('merge', *packs, '-o', scratch / f'{number}.quire', '--at', 'third=x')
    assert (scratch / '0.quire').read_bytes() == (scratch / '1.quire').read_bytes()


def test_what_is_interrupted_leaves_nothing(scratch, trees, pack):
    pack(trees[0], scratch / 'first.quire')
    before = sorted(os.listdir(scratch))
    for number in range(8):
        with subprocess.Popen([harness.QUIRE, 'merge', '--copy', scratch / 'first.quire', '-o', scratch / 'merged.quire'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as merge:
            try:
                merge.wait(0.004 * number)
            except subprocess.TimeoutExpired:
                merge.send_signal(signal.SIGKILL if number % 2 else signal.SIGINT)
        left = sorted(os.listdir(scratch))
        assert left in (before, sorted([*before, 'merged.quire']))
        (scratch / 'merged.quire').unlink(missing_ok=True)


@pytest.mark.parametrize('words, what', [
    (('--at', 'b=x'), 'none of the packs'), (('--at', 'a'), 'PACK=FOLDER'), (('--at', 'a=../x'), "'..'"), (('--at', 'a=/'), 'folder'),
    (('--at', 'a=x', '--at', 'a=y'), 'folder already'), (('-j', '3'), '--copy'), (('https://localhost/x.quire',), 'quire fetch')],
    ids=lambda value: ' '.join(value) if isinstance(value, tuple) else '')
def test_wrong_words_are_wrong_usage(scratch, quire, pack, words, what):
    write(scratch / 'a/sample', 'a')
    pack(scratch / 'a', scratch / 'a.quire')
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire', *words, status=2).says(what)
    assert not (scratch / 'merged.quire').exists()


def test_the_whole_path_of_a_pack_is_told_from_the_name_of_another(scratch, quire, pack):
    write(scratch / 'a/sample', 'a')
    (scratch / 'below').mkdir()
    pack(scratch / 'a', scratch / 'pack.quire')
    shutil.copy2(scratch / 'pack.quire', scratch / 'below')
    for word in 'pack.quire', 'below/pack.quire':
        quire('merge', 'pack.quire', 'below/pack.quire', '-o', 'merged.quire', '-f', '--at', f'{word}=x', cwd=scratch)
        quire('ls', '-R', scratch / 'merged.quire').says('^sample$', '^x$')
    quire('merge', 'pack.quire', 'below/pack.quire', '-o', 'merged.quire', '-f', '--at', 'pack=x', cwd=scratch, status=2).says('both named so')


def test_what_packs_are_without_is_no_member_of_an_archive(scratch, quire, pack):
    (scratch / 'a').mkdir()
    os.mkfifo(scratch / 'a/fifo')
    pack(scratch / 'a', scratch / 'a.quire')
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire')
    quire('verify', scratch / 'merged.quire').says('no fault')
    assert json.loads(quire('info', '--json', scratch / 'merged.quire').out)['left_out'] == 0


def test_a_copy_of_an_index_without_some_members_is_told_to_be_none(scratch, quire):
    (scratch / 'a').mkdir()
    write(scratch / 'a/sample', 'a')
    os.mkfifo(scratch / 'a/fifo')
    harness.run('tar', '-C', scratch / 'a', '-cf', scratch / 'a.tar', '.')
    quire('index', scratch / 'a.tar', '-o', scratch / 'a.quire', status=1)
    told = '1 member of the archives is left out'
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire').says(f'quire merge: {told}')
    quire('verify', scratch / 'merged.quire', status=1).says(told)
    quire('merge', '--copy', scratch / 'merged.quire', '-o', scratch / 'copy.quire', status=1).says(f'quire merge: {told}')
    assert quire('cat', scratch / 'copy.quire', 'sample').out == 'a'


@pytest.mark.parametrize('words', [(), ('--copy',)], ids=['index', 'copy'])
def test_what_an_index_needs_is_not_replaced(scratch, quire, pack, words):
    """An archive, or a pack of a merged index, which is no word of the command."""
    write(scratch / 'a/sample', 'a')
    harness.run('tar', '-C', scratch / 'a', '-cf', scratch / 'a.tar', 'sample')
    quire('index', scratch / 'a.tar', '-o', scratch / 'index.quire')
    quire('merge', scratch / 'index.quire', '-o', scratch / 'merged.quire')
    (scratch / 'link').symlink_to('a.tar')
    for source in 'index.quire', 'merged.quire':
        for output in 'a.tar', source, 'link':
            before = (scratch / output).read_bytes()
            quire('merge', scratch / source, '-o', scratch / output, '-f', *words, status=2).says('a file that one of them indexes')
            assert (scratch / output).read_bytes() == before
    assert quire('cat', scratch / 'merged.quire', 'sample').out == 'a'


def test_packs_stay_as_they_are(scratch, quire, pack):
    write(scratch / 'a/sample', 'a')
    pack(scratch / 'a', scratch / 'a.quire')
    before = (scratch / 'a.quire').read_bytes()
    quire('merge', scratch / 'a.quire', '-o', scratch / 'a.quire', '-f', status=2).says('is one of the packs')
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire')
    quire('merge', scratch / 'a.quire', '-o', scratch / 'merged.quire', status=1).says('exists')
    assert (scratch / 'a.quire').read_bytes() == before
