#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: with the option `verify` only what equals its sums is mounted; what has none, or differs, is refused with the reason."""
import io
import os
import tarfile
import zipfile

import harness
import pytest


@pytest.fixture(name='refuse')
def get_refusal(scratch, quire):
    """refuse(SOURCE, OPTION...): what a mount says that must not be made."""
    def refuse(source, *options):
        (scratch / 'mnt').mkdir(exist_ok=True)
        done = quire('mount', source, scratch / 'mnt', '-o', ','.join(('verify', *options)), status=1)
        assert not harness.is_mounted(scratch / 'mnt')
        return done
    return refuse


def make_tar(path):
    with tarfile.open(path, 'w') as archive:
        for name in 'xy':
            member = tarfile.TarInfo(name)
            member.size = 1000
            archive.addfile(member, io.BytesIO(name.encode() * 1000))
    return path


def test_an_index_with_sums(scratch, quire, mount, refuse):
    archive, index = make_tar(scratch / 'a.tar'), scratch / 'a.quire'
    quire('index', '--sums', archive, '-o', index)
    mount(index, 'verify').unmount()
    mount(archive, 'verify', f'index={index}').unmount()
    harness.flip(archive, b'y' * 1000)
    assert refuse(index).says('^quire mount: y: ', 'is damaged in 1 place')
    (mount(index) / 'x').read_bytes()


def test_an_index_without_sums_has_nothing_to_compare(scratch, refuse):
    archive = make_tar(scratch / 'a.tar')
    assert refuse(archive).says("a.tar' there are no sums", 'quire index --sums')


def test_an_index_elsewhere(scratch, quire, mount, refuse):
    (scratch / 'data').mkdir()
    (scratch / 'index').mkdir()
    archive, index = make_tar(scratch / 'data/a.tar'), scratch / 'index/a.quire'
    quire('index', '--sums', archive, '-o', index)
    mount(index, 'verify', f'volumes={archive}').unmount()
    assert refuse(index).says('volumes=')


def test_the_sums_of_a_zip(scratch, mount, refuse):
    archive = scratch / 'a.zip'
    with zipfile.ZipFile(archive, 'w') as written:
        written.writestr('x', b'bytes' * 200)
    mount(archive, 'verify').unmount()
    harness.flip(archive, b'bytes' * 200)
    assert refuse(archive).says('x: ')


def test_a_pack(scratch, pack, mount, refuse):
    (scratch / 'tree').mkdir()
    (scratch / 'tree/x').write_bytes(b'x' * 1000)
    packed = scratch / 'tree.quire'
    pack(scratch / 'tree', packed)
    assert (mount(packed, 'verify') / 'x').read_bytes() == b'x' * 1000
    harness.take_down(scratch / 'mnt')
    harness.flip(packed, b'x' * 1000)
    assert refuse(packed).says('x: ')
