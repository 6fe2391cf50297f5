# SPDX-License-Identifier: Apache-2.0
"""Archives of Debian, from the mirror that apt uses, without a change to the machine: neither the lists of source packages nor
the packages themselves are installed."""
import bz2
import gzip
import lzma
import pathlib
import re
import shutil
import subprocess
import urllib.parse

APT_HELPER = '/usr/lib/apt/apt-helper'
OPEN = {'.gz': gzip.open, '.xz': lzma.open, '.bz2': bz2.open}


class Missing(Exception):
    """Why there is no such archive here."""


def output_of(*command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True).stdout
    except FileNotFoundError as error:
        raise Missing(f'there is no {command[0]}') from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or 'nothing said'
        raise Missing(f'{" ".join(command)}: {said.splitlines()[-1]}') from error


def url_of(package):
    """Of the binary package."""
    found = re.search(r"'([^']+)'", output_of('apt-get', 'download', '--print-uris', package))
    if not found:
        raise Missing(f'apt knows no mirror with {package}')
    return found[1]


def download(url, path, *sums):
    """By apt's own helper, which has its proxies."""
    output_of(APT_HELPER, 'download-file', url, str(path), *sums)
    return path


def decompress(path):
    """The plain tar of one that is compressed."""
    plain = path.with_suffix('')
    with OPEN[path.suffix](path) as packed, open(plain, 'wb') as tar:
        shutil.copyfileobj(packed, tar, 1 << 20)
    path.unlink()
    return plain


def source_tars(package, folder):
    """The tar files of a source package, decompressed. REQUIRES: its main binary package has the same name."""
    url = url_of(package)
    version = urllib.parse.unquote(url.rsplit('/', 1)[1]).split('_')[1]
    version = re.sub(r'\+b\d+$', '', version)  # which counts builds of the same source
    beside = url.rsplit('/', 1)[0]
    source = download(f'{beside}/{package}_{urllib.parse.quote(version)}.dsc', pathlib.Path(folder) / 'dsc').read_text()
    sums = re.search(r'^Checksums-Sha256:\n((?: .*\n)+)', source, re.MULTILINE)
    files = [line.split() for line in sums[1].splitlines()]
    return [decompress(download(f'{beside}/{urllib.parse.quote(name)}', pathlib.Path(folder) / name, f'SHA256:{digest}'))
            for digest, _, name in files if '.tar.' in name and not name.endswith('.asc')]


def linux_source_tar(folder):
    """The tar of Debian's package linux-source."""
    names = re.findall(r'^\s*Depends: (linux-source-\S+)', output_of('apt-cache', 'depends', 'linux-source'), re.MULTILINE)
    if not names:
        raise Missing('apt knows no linux-source')
    package = download(url_of(names[0]), pathlib.Path(folder) / 'linux-source.deb')
    output_of('dpkg-deb', '-x', str(package), str(pathlib.Path(folder) / 'linux-source'))
    package.unlink()
    (tar,) = pathlib.Path(folder).glob('linux-source/usr/src/*.tar.xz')
    return decompress(tar)
