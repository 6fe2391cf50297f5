#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: OUT is made on any file system that can hold it, what would keep it from its name is told before the work, and temporary
files are nobody's samples."""
import os
import shutil
import stat
import struct

import harness
import pytest
import trees

IN_ACL, OF_FILES, OF_NEW_FILES = 2, 'system.posix_acl_access', 'system.posix_acl_default'
NO_ID = 2 ** 32 - 1
# Tags of entries of an access list.
OWNER, USER, GROUP, MASK, OTHERS = 1, 2, 4, 16, 32


@pytest.fixture(name='tree')
def make_tree(scratch):
    tree = scratch / 'tree'
    trees.make_samples(tree, 2, 10, 1000)
    (tree / '000/met').symlink_to('target')
    return tree


@pytest.fixture(name='out')
def make_folder(scratch):
    (scratch / 'out').mkdir()
    return scratch / 'out'


@pytest.fixture(name='plain')
def pack_plainly(tree, scratch, pack):
    pack(tree, scratch / 'plain.quire')
    return (scratch / 'plain.quire').read_bytes()


@pytest.fixture(name='refused')
def get_refusal(tree, scratch):
    """refused(PATTERN, OUT): with --force, and before the scan, which would read a symlink of the tree."""
    def refused(pattern, output):
        trace = scratch / 'trace'
        done = harness.run('strace', '-f', '-qq', '-e', 'trace=readlink,readlinkat', '-o', trace,
                           harness.QUIRE, 'pack', tree, '--force', '-o', output, status=1)
        assert done.says(pattern)
        assert '"met"' not in trace.read_text(errors='replace'), f'{output} was refused after the scan only'
    return refused


@pytest.fixture(name='root')
def need_root():
    if not harness.is_root():
        pytest.skip('folders and files of others: that needs root')


def test_symlinks_are_followed_and_stay(tree, out, pack, quire, refused):
    (out / 'real').write_text('old\n')
    (out / 'link').symlink_to('real')
    assert quire('pack', tree, '-o', out / 'link', status=1).says('--force')
    assert (out / 'real').read_text() == 'old\n'
    pack(tree, out / 'link', '--force')
    assert (out / 'link').is_symlink()
    assert quire('ls', out / 'real').out == '000\n001\n'
    (out / 'dangling').symlink_to('nowhere')
    refused('symlink', out / 'dangling')
    assert sorted(os.listdir(out)) == ['dangling', 'link', 'real']


def test_what_is_no_regular_file_or_has_no_folder(tree, out, quire, refused):
    (out / 'real').touch()
    os.mkfifo(out / 'fifo')
    refused('regular file', out / 'fifo')
    refused('regular file', '/dev/null')
    refused('directory', out)
    refused(f'no folder {out}/none', out / 'none/x.quire')
    refused('not a directory', out / 'real/x.quire')
    refused('too long', out / ('n' * 256))
    assert quire('pack', tree, '-o', '-', status=2).says('pipe', 'name a file')
    assert quire('pack', tree, status=2).says('OUT')
    assert sorted(os.listdir(out)) == ['fifo', 'real']


def user_pack(user, tree, *arguments, **how):
    return user.run(user.quire, 'pack', '--progress', 'never', tree, *arguments, **how)


@pytest.mark.usefixtures('root')
def test_folders_of_others(tree, scratch, ordinary_user):
    """A folder that others may write to, but where only owners may replace; a closed one."""
    sticky, closed = scratch / 'sticky', scratch / 'closed'
    sticky.mkdir()
    closed.mkdir()
    (sticky / 'kept').write_text('theirs\n')
    sticky.chmod(0o1777)
    (sticky / 'kept').chmod(0o666)
    assert user_pack(ordinary_user, tree, '-o', sticky / 'kept', '--force', status=1).says('replacing it: operation not permitted')
    assert user_pack(ordinary_user, tree, '-o', closed / 'x.quire', status=1).says(f'{closed}: permission denied')


@pytest.mark.usefixtures('root')
def test_immutable_output(tree, out, pack, refused):
    pack(tree, out / 'real')
    if harness.run('chattr', '+i', out / 'real', status=None).returncode != 0:
        pytest.skip('an immutable OUT: this file system has none')
    try:
        refused('replacing it: operation not permitted', out / 'real')
    finally:
        harness.run('chattr', '-i', out / 'real')


@pytest.mark.usefixtures('root')
def test_mount_point_as_output(out, refused, at_end):
    point = out / 'mount point'
    for path in (out / 'real', point):
        path.touch()
    if harness.run('mount', '--bind', out / 'real', point, status=None).returncode != 0:
        pytest.skip('OUT as a mount point: no bind mount can be made')
    at_end.callback(harness.run, 'umount', point)
    refused('mount point', point)


def test_folder_that_cannot_be_listed(tree, ordinary_user, at_end):
    unlisted = ordinary_user.home / 'unlisted'
    unlisted.mkdir(mode=0o300)
    at_end.callback(unlisted.chmod, 0o700)  # so that its owner can remove it
    if harness.is_root():
        shutil.chown(unlisted, ordinary_user.name)
    user_pack(ordinary_user, tree, '-o', unlisted / 'x.quire')
    user_pack(ordinary_user, tree, '-o', unlisted / 'x.quire', '--force')


@pytest.fixture(name='private')
def make_private_pack(ordinary_user):
    path = ordinary_user.home / 'private.quire'
    ordinary_user.run('touch', path)
    return path


def mode_and_owner(path):
    return stat.S_IMODE(path.stat().st_mode), path.owner()


def test_replacement_is_for_those_that_it_was_for(tree, ordinary_user, private, pack):
    for mode in (0o600, 0o640, 0o604, 0o400):
        private.chmod(mode)
        pack(tree, private, '--force')
        assert mode_and_owner(private) == (mode, ordinary_user.name)


@pytest.mark.usefixtures('root')
def test_replacement_of_roots_pack(tree, ordinary_user, private):
    """The user may keep neither root's name nor its group: nobody is to see more than before."""
    for before, after in ((0o640, 0o600), (0o664, 0o644), (0o604, 0o600), (0o666, 0o666)):
        harness.run('install', '-o', 'root', '-g', 'root', '-m', f'{before:o}', '/dev/null', private)
        user_pack(ordinary_user, tree, '-o', private, '--force')
        assert mode_and_owner(private) == (after, ordinary_user.name), f'{before:o} of root'


def set_access_list(path, kind, *entries):
    """Of entries (tag, permissions, number)."""
    try:
        os.setxattr(path, kind, struct.pack('<I', IN_ACL) + b''.join(struct.pack('<HHI', *entry) for entry in entries))
    except OSError:
        pytest.skip('access lists: this file system has none')


@pytest.mark.usefixtures('root')
def test_access_list_stays(tree, private, pack):
    """Where it stayed away, its mask would be the group's bits."""
    set_access_list(private, OF_FILES, (OWNER, 6, NO_ID), (USER, 4, 1), (GROUP, 0, NO_ID), (MASK, 4, NO_ID), (OTHERS, 0, NO_ID))
    before = os.getxattr(private, OF_FILES)
    pack(tree, private, '--force')
    assert os.getxattr(private, OF_FILES) == before


@pytest.mark.usefixtures('root')
def test_access_list_of_the_folder_is_given_to_no_replacement(tree, scratch, pack):
    shared = scratch / 'shared'
    shared.mkdir()
    (shared / 'x.quire').touch()
    (shared / 'x.quire').chmod(0o640)
    set_access_list(shared, OF_NEW_FILES, (OWNER, 7, NO_ID), (USER, 7, 1), (GROUP, 5, NO_ID), (MASK, 7, NO_ID), (OTHERS, 5, NO_ID))
    pack(tree, shared / 'x.quire', '--force')
    assert stat.filemode((shared / 'x.quire').stat().st_mode) == '-rw-r-----'
    assert os.listxattr(shared / 'x.quire') == []


def test_folder_for_what_does_not_stay(tree, plain, out, scratch, pack, quire):
    """A wrong one is told at once."""
    temporary, output, trace = scratch / 'tmp', out / 'tmp.quire', scratch / 'trace'
    temporary.mkdir()
    pack(tree, output, '--tmp', temporary)
    assert output.read_bytes() == plain
    assert os.listdir(temporary) == []
    assert quire('pack', tree, '-o', out / 'new.quire', '--tmp', scratch / 'none', status=1).says(f'--tmp {scratch}/none', 'no such file')
    if harness.is_root():
        harness.run('strace', '-f', '-qq', '-e', 'trace=openat', '-o', trace,
                    harness.QUIRE, 'pack', tree, '-o', output, '--force', '--tmp', temporary)
        harness.run('grep', '-q', f'"{temporary}", .*O_TMPFILE', trace)
    assert os.listdir(out) == ['tmp.quire'], 'left behind'


@pytest.fixture(name='exfat')
def mount_exfat(scratch, at_end):
    """A file system with neither unnamed files nor hard links nor RENAME_NOREPLACE: exFAT by FUSE."""
    image, folder = scratch / 'exfat.image', scratch / 'exfat'
    needs = 'exFAT: it needs root, /dev/fuse, exfat-fuse and exfatprogs'
    if not (harness.is_root() and os.path.exists('/dev/fuse') and shutil.which('mkfs.exfat') and shutil.which('mount.exfat-fuse')):
        pytest.skip(needs)
    harness.run('truncate', '-s', '64M', image)
    harness.run('mkfs.exfat', image)
    folder.mkdir()
    device = harness.run('losetup', '--find', '--show', image, status=None)
    if device.returncode != 0:
        pytest.skip(f'{needs}: {device.said}')
    at_end.callback(harness.take_down, folder)
    done = harness.run('mount.exfat-fuse', device.out.strip(), folder, status=None)
    harness.run('losetup', '--detach', device.out.strip())  # once it is unmounted
    if done.returncode != 0:
        pytest.skip(f'{needs}: {done.said}')
    (folder / 'one').touch()
    with pytest.raises(OSError):  # else this exFAT has hard links
        os.link(folder / 'one', folder / 'other')
    (folder / 'one').unlink()
    return folder


def test_exfat(tree, plain, exfat, pack, quire):
    output = exfat / 'new.quire'
    pack(tree, output)
    assert output.read_bytes() == plain
    assert os.listdir(exfat) == ['new.quire']
    assert quire('pack', tree, '-o', output, status=1).says('--force')
    pack(tree, output, '--force')
    assert output.read_bytes() == plain
    assert os.listdir(exfat) == ['new.quire']
    quire('pack', tree, '-o', exfat / 'a:b.quire', status=1)  # no name of exFAT
    assert os.listdir(exfat) == ['new.quire']


def test_output_in_source_on_exfat(exfat, scratch, pack, quire):
    """Its temporary name is no sample, and the temporary files must be elsewhere."""
    tree, temporary = exfat / 'tree', scratch / 'tmp'
    output = tree / 'x.quire'
    for folder in (tree, temporary):
        folder.mkdir()
    (tree / 'sample').write_text('sample\n')
    assert quire('pack', tree, '-o', output, '--exclude', 'x.quire', status=2).says('--tmp')
    done = pack(tree, output, '--exclude', 'x.quire', '--tmp', temporary)
    assert quire('ls', '-R', '-0', output).out == 'sample\0'
    assert sorted(os.listdir(tree)) == ['sample', 'x.quire']
    assert 'excluded' not in done.said, 'what the packer made itself was counted'
