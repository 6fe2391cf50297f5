# SPDX-License-Identifier: Apache-2.0
"""A set of small JSON files that nobody made for a benchmark: what Debian's releases say of each of their packages."""
import bz2
import concurrent.futures
import itertools
import json
import lzma
import os
import urllib.error
import urllib.request

ARCHIVE = 'http://deb.debian.org/debian/dists'
SUITES = ('bullseye', 'bookworm', 'trixie', 'sid')
LISTS = ('Depends', 'Pre-Depends', 'Recommends', 'Suggests', 'Conflicts', 'Breaks', 'Replaces', 'Provides', 'Tag')


def fetch(path):
    """Some of a release's lists are there with xz alone, and some with bzip2."""
    for suffix, decompress in (('xz', lzma.decompress), ('bz2', bz2.decompress)):
        try:
            with urllib.request.urlopen(f'{ARCHIVE}/{path}.{suffix}', timeout=120) as answer:
                return decompress(answer.read()).decode()
        except urllib.error.HTTPError as error:
            reason = str(error)
    raise OSError(f'{ARCHIVE}/{path}: {reason}')


def read_stanzas(path):
    for stanza in fetch(path).strip().split('\n\n'):
        fields = {}
        for line in stanza.split('\n'):
            if line.startswith((' ', '\t')):
                fields[name] += '\n' + line[1:]
            else:
                name, _, value = line.partition(':')
                fields[name] = value[1:]
        yield fields


def packages_of(suite):
    """Name and JSON text of each, by about 2 KB."""
    texts = {fields['Description-md5']: fields['Description-en'] for fields in read_stanzas(f'{suite}/main/i18n/Translation-en')}
    for fields in read_stanzas(f'{suite}/main/binary-amd64/Packages'):
        for name in LISTS:
            if name in fields:
                fields[name] = [item.strip() for item in fields[name].split(',')]
        fields['Long-Description'] = texts.get(fields.get('Description-md5', ''), '')
        yield fields['Package'], json.dumps(fields, indent=2)


def write_suite(job):
    suite, path, most_files = job
    for name, text in itertools.islice(packages_of(suite), most_files):
        folder = f'{path}/{suite}/{name[0]}/{name[:3]}'
        os.makedirs(folder, exist_ok=True)
        with open(f'{folder}/{name}.json', 'w') as file:
            file.write(text)


def write_debian_json(path, files):
    """`files`: about so many, a quarter of each release's."""
    os.makedirs(path)
    with concurrent.futures.ProcessPoolExecutor(2) as workers:
        for _ in workers.map(write_suite, [(suite, path, files // len(SUITES)) for suite in SUITES]):
            pass
