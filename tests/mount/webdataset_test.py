#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire index --group webdataset` names what WebDataset would make no whole sample of, and serves it like all else.

WebDataset's reader (webdataset/tariterators.py) goes through the regular files of a shard and begins a new sample with each file
whose key is another than that of the one before it."""
import io
import re
import tarfile

import pytest


def make_shard(path, names):
    """As WebDataset's own writer does it: names of regular files, or TarInfos of other things."""
    with tarfile.open(path, 'w') as shard:
        for name in names:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = f'{path.name} {member.name}'.encode() if member.isreg() else b''
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


def sample(key, *kinds):
    return [f'{key}.{kind}' for kind in kinds or ('cls', 'jpg', 'json')]


def folder_of(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


@pytest.fixture(name='index')
def get_index(scratch, quire):
    """index(SHARD, OPTION...): what is told of these shards, without the line that counts."""
    def index(shards, *options, faults=0):
        done = quire('index', '-q', '-f', '--group', 'webdataset', *options, *shards, '-o', scratch / 'all.quire', status=1 if faults else 0)
        told = [line.removeprefix('quire index: ').replace(f'{scratch}/', '') for line in done.err.splitlines()]
        if faults:
            assert re.match(f'{faults} (key|name)', told.pop()), done.err
        assert len(told) == faults, done.err
        return told
    return index


@pytest.mark.parametrize('layout', ['merged', 'shards'])
def test_whole_samples_are_no_fault(scratch, quire, index, layout):
    for shard in range(3):
        make_shard(scratch / f'set-{shard:06}.tar', [folder_of('train')] + [
            name for number in range(20) for name in sample(f'train/{shard}{number:04}', 'cls', 'seg.png', 'jpg')])
    assert not index([scratch / 'set-{000000..000002}.tar'], '--layout', layout)
    top = '' if layout == 'merged' else 'set-000002/'
    assert quire('cat', scratch / 'all.quire', f'{top}train/20007.seg.png').out == 'set-000002.tar train/20007.seg.png'


@pytest.mark.parametrize('layout', ['merged', 'shards'])
def test_a_key_in_two_shards_is_told_with_both(scratch, quire, index, layout):
    make_shard(scratch / 'a.tar', sample('x/1') + sample('x/2', 'jpg'))
    make_shard(scratch / 'b.tar', sample('x/2', 'cls') + sample('x/3'))
    make_shard(scratch / 'c.tar', sample('y/2') + sample('x/20') + sample('2'))
    told = index([scratch / '?.tar'], '--layout', layout, faults=1)
    assert told == ["x/2: the members of this key stand in 'a.tar' and 'b.tar'"]
    for shard, kind in (('a', 'jpg'), ('b', 'cls')):
        top = '' if layout == 'merged' else f'{shard}/'
        assert quire('cat', scratch / 'all.quire', f'{top}x/2.{kind}').out == f'{shard}.tar x/2.{kind}', 'both stay served'
    quire('info', scratch / 'all.quire').says('left out +0 things')


def test_a_key_in_many_shards_is_one_fault(scratch, index):
    for shard in 'abcd':
        make_shard(scratch / f'{shard}.tar', sample('key', shard))
    assert index([scratch / '?.tar'], faults=1) == ["key: the members of this key stand in 'a.tar' and 'b.tar' and 2 more"]


def test_members_that_stand_apart_are_told(scratch, index):
    shard = make_shard(scratch / 'a.tar', ['1.jpg', '2.jpg', '1.cls', '2.cls', folder_of('f'), '3.jpg', folder_of('g'), '3.cls',
                                           '4-1.jpg', '4.jpg', '4.cls', 'f/5.jpg', '5.jpg', 'f/5.cls'])
    told = index([shard], faults=3)
    assert sorted(told) == [f'a.tar: {key}: the members of this key stand apart, so that they are several samples'
                            for key in ('1', '2', 'f/5')]


def test_names_without_a_key_are_told(scratch, quire, index):
    shard = make_shard(scratch / 'a.tar', sample('1') + ['README', 'folder.d/LICENSE', '.hidden.jpg'] + sample('folder.d/2'))
    told = index([shard], faults=3)
    assert sorted(told) == [f'a.tar: {name}: its name has no key and extension, so that it is in no sample'
                            for name in ('.hidden.jpg', 'README', 'folder.d/LICENSE')]
    assert quire('cat', scratch / 'all.quire', 'README').out == 'a.tar README'


def test_faults_of_both_kinds_are_counted_apart(scratch, quire):
    fifo = tarfile.TarInfo('fifo')
    fifo.type = tarfile.FIFOTYPE
    shard = make_shard(scratch / 'a.tar', [fifo, 'README', *sample('1')])
    index = scratch / 'all.quire'
    quire('index', '--group', 'webdataset', shard, '-o', index, status=1).says(
        'without 1 thing of the archives', '1 key or name would be no whole sample')
    quire('info', index).says('left out +1 thing of the archives, which')
    quire('index', '-f', shard, '-o', index, status=1).says('fifo')
    quire('index', '-f', '--group', 'other', shard, '-o', index, status=2)
