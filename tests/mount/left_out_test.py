#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: an index keeps how much of its archives it is without, and everybody who mounts or copies what it has is told."""
import gzip
import io
import json
import os
import tarfile

import pytest


def make_tar(path, fifos, *names):
    with tarfile.open(path, 'w') as archive:
        for number in range(fifos):
            fifo = tarfile.TarInfo(f'fifo{number}')
            fifo.type = tarfile.FIFOTYPE
            archive.addfile(fifo)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def left_out(quire, *source):
    return json.loads(quire('info', '--json', *source).out)['left_out']


@pytest.mark.parametrize('fifos, told', [(1, '1 member of the archives is left out'), (2, '2 members of the archives are left out')])
def test_a_mount_says_what_was_left_out_when_its_index_was_made(scratch, quire, mount, fifos, told):
    archive = make_tar(scratch / 'a.tar', fifos, 'x')
    quire('ls', archive).says('fifo0: a FIFO')
    folder = scratch / 'mnt'
    folder.mkdir()
    log = scratch / 'log'
    done = quire('mount', archive, folder, '-o', f'log_file={log}')
    mounted = mount.adopt(folder)
    assert (mounted / 'x').read_text() == 'x'
    assert done.err.splitlines() == [f"quire mount: {told} of this index: 'quire index ARCHIVE -o NAME.quire' names which, and why"]
    assert told in log.read_text()
    mounted.unmount()
    assert left_out(quire, archive) == fifos
    quire('info', archive).says(f'^left out +{fifos} thing.* of the archives.*quire index')


def test_a_copy_of_a_cut_archive_is_told_to_be_none_whoever_made_the_index(scratch, quire):
    archive = make_tar(scratch / 'a.tar', 0, 'x', 'y')
    os.truncate(archive, 3 * 512)
    quire('ls', archive).says('the archive is cut')
    told = "1 member of the archives is left out of this index: 'quire index ARCHIVE -o NAME.quire' names which, and why"
    quire('pack', '--from', archive, '-o', scratch / 'a.quire', status=1).says(f'quire pack: {told}')
    quire('extract', archive, '-C', scratch / 'a', status=1).says(f'quire extract: {told}')
    assert sorted(os.listdir(scratch / 'a')) == ['x']
    quire('export', archive, '-o', scratch / 'copy.tar', status=1).says(f'quire export: {told}')
    quire('verify', archive, status=1).says(f'quire verify: {told}')
    verified = json.loads(quire('verify', '--json', archive, status=1).out)
    assert (verified['ok'], verified['fault_count'], verified['lacks_members']) == (False, 0, True)
    quire('ls', archive).says(f'quire ls: {told}')
    assert quire('extract', archive, 'x', '-C', scratch / 'x').said == ''
    # Of one that is compressed nobody made an index.
    (scratch / 'a.tar.gz').write_bytes(gzip.compress(archive.read_bytes()))
    quire('pack', '--from', scratch / 'a.tar.gz', '-o', scratch / 'gz.quire', status=1).says('the archive is cut',
                                                                                       'without 1 thing of the archives')


def test_a_mount_of_a_whole_archive_says_nothing(scratch, quire, mount):
    archive = make_tar(scratch / 'a.tar', 0, 'x')
    folder = scratch / 'mnt'
    folder.mkdir()
    done = quire('mount', archive, folder)
    mount.adopt(folder)
    assert done.said == ''
    assert left_out(quire, archive) == 0
    quire('info', archive).says('^left out +0 things of the archives$')


def test_what_two_archives_have_is_counted_once(scratch, quire):
    make_tar(scratch / 'a.tar', 1, 'x', 'y')
    make_tar(scratch / 'b.tar', 0, 'x')
    quire('index', scratch / 'a.tar', scratch / 'b.tar', '-o', scratch / 'ab.quire', status=1).says('without 2 things')
    assert left_out(quire, scratch / 'ab.quire') == 2
