#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: archives that other programs have made of real trees are mounted equal to what `tar -x` and `unzip` make of them.

QUIRE_ARCHIVES=full takes more of them, as tests/real does: what has to be downloaded is large, and programs are slow."""
import filecmp
import os
import pathlib
import shutil
import stat
import tarfile
import zipfile

import debian_archives
import harness
import pytest

IS_FULL = os.environ.get('QUIRE_ARCHIVES') == 'full'
SOURCES = ['hello', 'ed'] + IS_FULL * ['bash', 'coreutils', 'diffutils', 'findutils', 'git', 'grep', 'nano', 'sed', 'tar', 'zsh']
TAR = ('tar', '--numeric-owner', '--xattrs', '--xattrs-include=user.*')
DOCUMENTS = pathlib.Path('/usr/share/doc')
JAVA = pathlib.Path('/usr/lib/jvm')
MOST_FILES = 10**9 if IS_FULL else 800
DOS_STEP_S = 2  # of the times of a zip without extra fields


def skip_where_missing(make, *arguments):
    try:
        return make(*arguments)
    except debian_archives.Missing as missing:
        pytest.skip(str(missing))


def make_like(folder, name, mounted):
    """A folder that the archive does not name is as `tar -x` is started; the mount has an owner and a time for it."""
    wanted = os.lstat(mounted / name)
    os.chown(folder / name, wanted.st_uid, wanted.st_gid)
    os.chmod(folder / name, stat.S_IMODE(wanted.st_mode))
    os.utime(folder / name, ns=(wanted.st_mtime_ns, wanted.st_mtime_ns))


def check_tar(archive, scratch, quire, mount):
    if not harness.is_root():
        pytest.skip('only root extracts owners')
    index, extracted = scratch / 'index.quire', scratch / 'extracted'
    extracted.mkdir()
    harness.run(*TAR, '-x', '-p', '--delay-directory-restore', '-C', extracted, '-f', archive)
    quire('index', archive, '-o', index)
    mounted = mount(archive, f'index={index}')
    with tarfile.open(archive) as members:
        named = {os.path.normpath(member.name) for member in members if member.isdir()}
    folders = [os.path.relpath(folder, extracted) for folder, _, _ in os.walk(extracted)]
    for folder in sorted(set(folders) - named, reverse=True):
        make_like(extracted, folder, mounted.path)
    harness.assert_same_tree(extracted, mounted.folder)
    mounted.unmount()
    quire('verify', '--index', index, archive).says('no fault')


@pytest.mark.parametrize('package', SOURCES)
def test_source_packages_of_debian(package, scratch, quire, mount):
    for number, archive in enumerate(skip_where_missing(debian_archives.source_tars, package, scratch)):
        (scratch / str(number)).mkdir()
        check_tar(archive, scratch / str(number), quire, mount)


@pytest.mark.skipif(not IS_FULL, reason='the source of Linux is for tests/run --full')
def test_the_source_of_linux(scratch, quire, mount):
    check_tar(skip_where_missing(debian_archives.linux_source_tar, scratch), scratch, quire, mount)


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    """Some folders of /usr/share/doc, whose files have different modes and, where root makes them, owners."""
    tree = module_scratch / 'tree'
    tree.mkdir()
    files = 0
    for folder in sorted(DOCUMENTS.iterdir()) if DOCUMENTS.is_dir() else []:
        if folder.is_symlink() or files > MOST_FILES:
            continue
        shutil.copytree(folder, tree / folder.name, symlinks=True)
        files += sum(len(names) for _, _, names in os.walk(folder))
    if files < 100:
        pytest.skip(f'{DOCUMENTS} has {files} files only: documents are not installed here')
    for number, path in enumerate(sorted(path for path in tree.rglob('*') if path.is_file() and not path.is_symlink())):
        path.chmod((0o644, 0o600, 0o755)[number % 3])
        if harness.is_root() and number % 5 == 0:
            os.chown(path, 1234, 5678)
    return tree


def zip_by_python(archive, compression):
    """As zipfile does it, and with symlinks, which it has no call for."""
    with zipfile.ZipFile(archive, 'w', compression) as written:
        for path in sorted(pathlib.Path().rglob('*')):
            if path.is_symlink():
                link = zipfile.ZipInfo(str(path))
                link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                written.writestr(link, os.readlink(path), zipfile.ZIP_STORED)
            else:
                written.write(path)


def make_zip(maker, archive, tree, monkeypatch):
    """Makes a zip by the program and options `maker`, in the way that stands beside each."""
    monkeypatch.chdir(tree)
    program, *options = maker.split()
    if program == 'zipfile':
        return zip_by_python(archive, getattr(zipfile, options[0]))
    if not shutil.which(program):
        pytest.skip(f'there is no {program}')
    if program == 'jar':  # which follows symlinks, and ends where one leads nowhere
        plain = archive.parent / 'plain'
        shutil.copytree(tree, plain, symlinks=True)
        for link in [path for path in plain.rglob('*') if path.is_symlink()]:
            link.unlink()
        monkeypatch.chdir(plain)
    return harness.run(program, *options, archive, '.')


def list_tree(top):
    return sorted(os.path.relpath(os.path.join(folder, name), top)
                  for folder, folders, files in os.walk(top) for name in folders + files)


def assert_same_entry(extracted, mounted, has_owners, has_time):
    wanted, found = os.lstat(extracted), os.lstat(mounted)
    fields = ['st_mode', *(('st_uid', 'st_gid') if has_owners else ())]
    assert [getattr(found, field) for field in fields] == [getattr(wanted, field) for field in fields], mounted
    if stat.S_ISLNK(wanted.st_mode):
        assert os.readlink(mounted) == os.readlink(extracted), mounted
        return
    # unzip knows only some of the extra fields that have times.
    assert not has_time or abs(found.st_mtime - wanted.st_mtime) <= DOS_STEP_S, mounted
    if stat.S_ISREG(wanted.st_mode):
        assert filecmp.cmp(extracted, mounted, shallow=False), mounted


def check_zip(archive, scratch, quire, mount, has_owners=False):
    if not shutil.which('unzip'):
        pytest.skip('there is no unzip')
    index, extracted = scratch / 'index.quire', scratch / 'extracted'
    harness.run('unzip', '-q', *(['-X'] if has_owners else []), '-d', extracted, archive)
    quire('index', archive, '-o', index)
    mounted = mount(archive, f'index={index}')
    names = list_tree(extracted)
    assert list_tree(mounted.path) == names
    with zipfile.ZipFile(archive) as members:
        members = {os.path.normpath(name) for name in members.namelist()}
    for name in names:
        # unzip makes folders that are no members at the time when it needs them.
        has_time = name in members or not (extracted / name).is_dir()
        assert_same_entry(extracted / name, mounted / name, has_owners, has_time)
    mounted.unmount()
    quire('verify', '--index', index, archive).says('no fault')


STORED = ['zip -q -r -y -0', 'zip -q -r -y -0 -X', '7z a -bso0 -tzip -mx=0 -snl', 'zipfile ZIP_STORED',
          *IS_FULL * ['jar --create --no-compress --file']]


@pytest.mark.parametrize('maker', STORED)
def test_zips_of_a_real_tree(maker, scratch, tree, quire, mount, monkeypatch):
    archive = scratch / 'tree.zip'
    make_zip(maker, archive, tree, monkeypatch)
    check_zip(archive, scratch, quire, mount, has_owners=maker.startswith('zip ') and '-X' not in maker and harness.is_root())


DEFLATED = ['zip -q -r -y', 'zip -q -r -y -9 -X', '7z a -bso0 -tzip -mx=5 -snl', 'zipfile ZIP_DEFLATED', *IS_FULL * ['jar --create --file']]


@pytest.mark.parametrize('maker', DEFLATED)
def test_deflated_zips_of_a_real_tree(maker, scratch, tree, quire, mount, monkeypatch):
    archive = scratch / 'tree.zip'
    make_zip(maker, archive, tree, monkeypatch)
    check_zip(archive, scratch, quire, mount, has_owners=maker.startswith('zip ') and '-X' not in maker and harness.is_root())


@pytest.mark.skipif(not IS_FULL, reason='the jars of Java are for tests/run --full')
def test_jars_of_java(scratch, quire, mount):
    jars = sorted({path.resolve() for path in JAVA.rglob('*.jar')}) if JAVA.is_dir() else []
    if not jars:
        pytest.skip(f'there is no jar below {JAVA}: no Java is installed')
    for number, jar in enumerate(jars):
        (scratch / str(number)).mkdir()
        check_zip(jar, scratch / str(number), quire, mount)
