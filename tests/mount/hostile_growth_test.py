#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a pack of several generations whose numbers lie, with good sums, ends no command that adds to it, compacts it, merges it or
compares its generations: each does its work or says why not, and leaves a pack that readers open as before, or the new one.
QUIRE_FUZZ_PACKS=5000 tries as many changed packs; QUIRE_FUZZ_SEED says which."""
import os
import shutil
import subprocess

import harness
import pytest

FORGE_PACK = os.environ.get('FORGE_PACK') or harness.QUIRE.parent / 'forge_pack'
FIRST_SEED = int(os.environ.get('QUIRE_FUZZ_SEED', '1'))
PACKS = int(os.environ.get('QUIRE_FUZZ_PACKS', '60'))
SUPERBLOCKS_BYTES = 8192
LIMIT_S = 60


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def quire(*words):
    """The exit status, and what was said. No command ends otherwise, and none fails without a word."""
    __tracebackhide__ = True
    done = subprocess.run([harness.QUIRE, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=LIMIT_S, check=False)
    said = done.stdout.decode(errors='replace')
    assert done.returncode in (0, 1), f'{words}: exit status {done.returncode}: {said}'
    assert done.returncode == 0 or said.strip(), f'{words}: fails, and says nothing'
    return done.returncode, said


@pytest.fixture(name='grown')
def make_grown(scratch):
    if not os.access(FORGE_PACK, os.X_OK):
        pytest.skip(f'no {FORGE_PACK}: build the target forge_pack')
    for name in 'd/1', 'd/2', 'd/e/3', 'f/4':
        write(scratch / 'tree' / name, name * 10)
    os.link(scratch / 'tree/d/1', scratch / 'tree/hard')
    (scratch / 'tree/link').symlink_to('d/1')
    for name in 'd/2', 'd/new', 'n/k/5':
        write(scratch / 'more' / name, name * 5)
    packed = scratch / 'grown.quire'
    harness.pack(scratch / 'tree', packed)
    shutil.copy(packed, scratch / 'other.quire')
    harness.quire('append', packed, scratch / 'more')
    harness.quire('rm', packed, 'd/e', 'f')
    harness.quire('append', packed, scratch / 'more', '--at', 'd')
    return packed


def writers(scratch, packed):
    yield 'append', packed, scratch / 'more', '--at', 'd'
    yield 'append', packed, scratch / 'more', '--at', 'added'
    yield 'rm', packed, 'hard'
    yield 'rm', packed, 'n'
    yield 'pack', scratch / 'more', '-o', packed, '--update'


def readers(scratch, forged):
    yield 'verify', forged, '--generation', '2'
    yield 'ls', '-lR', forged, '--generation', '1'
    yield 'generations', forged, '--json'
    yield 'generations', forged, '--diff', '1', '4'
    yield 'generations', forged, '--diff', '3', '4'
    yield 'compact', forged, '-o', scratch / 'out.quire', '-f'
    for words in (), ('--copy',):
        yield 'merge', forged, scratch / 'other.quire', '-o', scratch / 'out.quire', '-f', '--at', 'other=o', *words


def pack_bytes_of(content):
    """Where the newest generation of the superblocks that can be read ends."""
    slots = [content[at:at + SUPERBLOCKS_BYTES // 2] for at in (0, SUPERBLOCKS_BYTES // 2)]
    return max((int.from_bytes(slot[24:32], 'little'), int.from_bytes(slot[64:72], 'little')) for slot in slots)[1]


def test_no_command_ends_or_harms_a_pack_that_lies(scratch, grown, tally):
    forged, packed = scratch / 'forged.quire', scratch / 'packed.quire'
    committed = 0
    for seed in range(FIRST_SEED, FIRST_SEED + PACKS):
        harness.run(FORGE_PACK, 'mutate', str(seed), grown, forged)
        content = forged.read_bytes()
        end = pack_bytes_of(content)
        for words in readers(scratch, forged):
            quire(*words)
        for words in writers(scratch, packed):
            shutil.copy(forged, packed)
            status, _ = quire(*words)
            after = packed.read_bytes()
            if status == 1:
                assert after[:end] == content[:end], f'seed {seed}: {words}: fails, and has changed the pack'
                continue
            assert after[SUPERBLOCKS_BYTES:end] == content[SUPERBLOCKS_BYTES:end], f'seed {seed}: {words}: has overwritten'
            status, said = quire('info', packed)
            assert status == 0, f'seed {seed}: {words}: no reader opens what was committed: {said}'
            committed += 1
    assert committed > PACKS, 'most of what was forged can grow, or little was tried'
    tally(PACKS, 'changed packs of several generations given to each command that grows, compacts and merges')


@pytest.mark.parametrize(('at', 'value', 'path'), [(24, 2**64 - 1, 'n'), (80, 0, 'link'), (88, 0, 'hard')],
                         ids=['generation', 'symlinks', 'hard links'])
def test_what_no_reader_would_open_is_not_committed(scratch, grown, at, value, path):
    harness.quire('rm', grown, 'd/new')  # the generation of an odd number, whose superblock is the first
    forged = scratch / 'forged.quire'
    harness.run(FORGE_PACK, 'superblock', str(at), '8', str(value), grown, forged)
    content = forged.read_bytes()
    harness.quire('rm', forged, path, status=1).says('no reader would open', 'quire verify')
    assert forged.read_bytes() == content
