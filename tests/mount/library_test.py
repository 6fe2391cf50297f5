#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: programs in C and C++ that are compiled against what is installed read packs as they are, are told of every fault, and leave nothing behind.

The programs are those of tests/library. A build with sanitizers is tested with them in the programs too."""
import os
import pathlib
import random
import re
import shutil
import tarfile
import zipfile

import harness
import pytest
import web
from random_tree import RandomTree

PROGRAMS = harness.REPOSITORY / 'tests/library'
BUILD = harness.QUIRE.parents[1]
STRICT = ('-Wall', '-Wextra', '-Werror', '-pedantic')
SYSTEM_CALLS = '-D_DEFAULT_SOURCE'  # of the programs; quire.h needs none
FEW = 20


def sanitizers():
    if harness.is_sanitized('asan'):
        return ['-fsanitize=address,undefined']
    return ['-fsanitize=thread'] if harness.is_sanitized('tsan') else []


@pytest.fixture(name='installed', scope='module')
def install(module_scratch):
    """The prefix that the library was installed to."""
    if not (BUILD / 'tools/library/libquire.so').exists():
        pytest.skip(f'no libquire.so in {BUILD}: build the target quire_library')
    if not os.access(BUILD, os.W_OK):
        pytest.skip('cmake --install writes into the build folder, which this user may not')
    prefix = module_scratch / 'prefix'
    harness.run('cmake', '--install', BUILD, '--component', 'library', '--prefix', prefix)
    return prefix


@pytest.fixture(name='flags', scope='module')
def get_flags(installed):
    """What pkg-config tells a compiler."""
    found = list(installed.rglob('quire.pc'))
    assert len(found) == 1
    environment = dict(os.environ, PKG_CONFIG_PATH=str(found[0].parent))
    return harness.run('pkg-config', '--cflags', '--libs', 'quire', env=environment).out.split()


@pytest.fixture(name='program')
def get_compiler(scratch, flags):
    """program(SOURCE): the path of what it is compiled to, strictly."""
    def compile_program(name, *sources, is_linked=True):
        output = scratch / pathlib.Path(name).stem
        compiler = ['cc', '-std=c99'] if name.endswith('.c') else ['c++', '-std=c++11']
        library = next(flag[2:] for flag in flags if flag.startswith('-L'))
        use = [*flags, f'-Wl,-rpath,{library}'] if is_linked else [*flags[:1], '-ldl']
        harness.run(*compiler, SYSTEM_CALLS, *STRICT, '-g', *sanitizers(), *(PROGRAMS / source for source in (name, *sources)),
                    '-o', output, *use, '-pthread')
        return output
    return compile_program


@pytest.fixture(name='checked')
def get_checked_compiler(program):
    """The same of a program that uses checks.h."""
    return lambda name: program(name, 'checks.c')


@pytest.fixture(name='simple')
def make_simple_pack(scratch, pack):
    tree = scratch / 'simple'
    (tree / 'folder').mkdir(parents=True)
    (tree / 'file').write_bytes(b'content')
    (tree / 'folder/empty').touch()
    (tree / 'link').symlink_to('file')
    pack(tree, scratch / 'simple.quire')
    return scratch / 'simple.quire'


def make_mixed_tree(folder):
    """What compresses, what does not, samples of several pages, holes, and hard links."""
    folder.mkdir()
    numbers = random.Random(4)
    for number in range(300):
        parent = folder / f'{number % 7}'
        parent.mkdir(exist_ok=True)
        size = numbers.choice([0, 1, 900, 30_000, 300_000])
        (parent / f'{number}').write_bytes(numbers.randbytes(size // 2).hex().encode() if number % 2 else numbers.randbytes(size))
    (folder / 'large').write_bytes(numbers.randbytes(9 << 20))
    harness.shell('trees.sh', 'sparse', folder / 'sparse', '12582912', '0', '5242880', '9000000')
    os.link(folder / 'large', folder / 'same')
    (folder / 'link').symlink_to('large')


@pytest.mark.parametrize('options', [(), ('--compress', 'zstd')])
def test_a_pack_equals_its_tree(scratch, pack, checked, options):
    tree, packed = scratch / 'tree', scratch / 'tree.quire'
    make_mixed_tree(tree)
    pack(tree, packed, *options)
    assert harness.run(checked('reads.c'), packed, tree).out == '303\n'


def test_a_pack_that_has_grown(scratch, pack, quire, checked):
    """Its directories list entries of several generations."""
    for number in range(3):
        RandomTree(random.Random(number), scratch / f'tree{number}', 60)
    packed = scratch / 'grown.quire'
    pack(scratch / 'tree0', packed)
    quire('append', packed, scratch / 'tree1')
    quire('append', packed, scratch / 'tree2', '--at', 'new')
    quire('rm', packed, sorted(os.listdir(scratch / 'tree0'))[0])
    quire('extract', packed, '-C', scratch / 'whole')
    harness.run(checked('reads.c'), packed, scratch / 'whole')


def test_a_tree_of_any_names_and_sizes(scratch, pack, checked):
    tree = RandomTree(random.Random(5), scratch / 'tree', 150)
    pack(scratch / 'tree', scratch / 'tree.quire')
    assert int(harness.run(checked('reads.c'), scratch / 'tree.quire', scratch / 'tree').out) == len(tree.files)


@pytest.mark.parametrize('kind', ['tar', 'zip', 'tar elsewhere'])
def test_an_index_of_an_archive(scratch, quire, checked, kind):
    tree, index = scratch / 'tree', scratch / 'index.quire'
    make_mixed_tree(tree)
    (scratch / 'elsewhere').mkdir()
    if kind == 'tar elsewhere':  # than in the folder of the index, or below it
        index = scratch / 'index/index.quire'
        index.parent.mkdir()
    archive = scratch / ('elsewhere/a.tar' if kind == 'tar elsewhere' else f'a.{kind}')
    if kind == 'zip':
        (tree / 'link').unlink()  # and hard links are files, whose times have two seconds
        with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as written:
            for path in sorted(tree.rglob('*')):
                written.write(path, path.relative_to(tree))
        shutil.rmtree(tree)
        quire('extract', archive, '-C', tree)
    else:
        with tarfile.open(archive, 'w', format=tarfile.PAX_FORMAT) as written:
            written.add(tree, '.')
        shutil.rmtree(tree)
        quire('extract', archive, '-C', tree)
    quire('index', archive, '-o', index)
    reads = checked('reads.c')
    if kind == 'tar elsewhere':
        assert harness.run(reads, index, tree, status=1).says('volumes')
        harness.run(reads, index, tree, archive)
    else:
        harness.run(reads, index, tree)


def test_a_pack_by_url(scratch, at_end, pack, checked):
    make_mixed_tree(scratch / 'tree')
    (scratch / 'served').mkdir()
    pack(scratch / 'tree', scratch / 'served/tree.quire')
    url = web.Nginx(at_end, scratch, scratch / 'served').url
    assert harness.run(checked('reads.c'), f'{url}/tree.quire', scratch / 'tree').out == '303\n'
    assert harness.run(scratch / 'reads', f'{url}/missing.quire', scratch / 'tree', status=1).says('404')


@pytest.mark.parametrize('options', [(), ('--compress', 'zstd', '--alone')])
def test_a_damaged_sample_harms_no_other(scratch, pack, checked, options):
    tree, packed = scratch / 'tree', scratch / 'tree.quire'
    tree.mkdir()
    for number in range(FEW):
        (tree / f'{number}').write_bytes(b'%d' % number * 5000 + random.Random(number).randbytes(5000))
    pack(tree, packed, *options)
    harness.flip(packed, random.Random(7).randbytes(5000)[2000:2100])
    said = harness.run(checked('damage.c'), packed, tree, '7').out.splitlines()
    assert re.search('checksum|sum', said[0])
    assert re.search('quire verify', said[1])


def test_wrong_usage(checked, simple):
    harness.run(checked('wrong_usage.c'), simple)


def test_threads_share_a_pack(scratch, pack, checked, tally):
    make_mixed_tree(scratch / 'tree')
    pack(scratch / 'tree', scratch / 'tree.quire')
    seconds = os.environ.get('QUIRE_TRUST_S', '5')
    tally(int(harness.run(checked('threads.c'), scratch / 'tree.quire', scratch / 'tree', seconds).out), 'reads of libquire compared')


def test_nothing_is_left_when_a_pack_is_closed(checked, simple):
    harness.run(checked('open_close.c'), simple, '200')


def test_a_child_opens_the_pack_anew(checked, simple):
    harness.run(checked('forks.c'), simple)


def test_from_another_language_standard(scratch, flags, program, simple):
    assert harness.run(program('plusplus.cc'), simple, 'link').stdout == b'content'
    (scratch / 'old.c').write_text('#include <quire/quire.h>\nint main(void) { return quire_version() == NULL; }\n')
    harness.run('cc', '-std=c89', *STRICT, scratch / 'old.c', '-o', scratch / 'old', *flags)


def test_a_library_that_is_loaded_and_unloaded(installed, program, simple):
    library = next(installed.rglob('libquire.so'))
    harness.run(program('loaded.c', is_linked=False), library, simple)


def test_what_the_library_shows(installed):
    library = next(installed.rglob('libquire.so'))
    header = (installed / 'include/quire/quire.h').read_text()
    shown = {line.split()[-1] for line in harness.run('nm', '-D', '--defined-only', library).out.splitlines()}
    functions = set(re.findall(r'^QUIRE_API [^(]*?(\w+)\(', header, re.MULTILINE))
    assert len(functions) == 10
    assert shown == {f'{function}@@QUIRE_0' for function in functions} | {'QUIRE_0'}
    assert 'SONAME' in (dynamic := harness.run('readelf', '-d', library).out)
    assert '[libquire.so.0]' in dynamic
    for other in ('fuse', 'spdlog', 'curl', 'archive', 'ncurses'):
        assert other not in dynamic
    version = harness.quire('--version').out.split()[1]
    assert version in next(installed.rglob('quire.pc')).read_text()
