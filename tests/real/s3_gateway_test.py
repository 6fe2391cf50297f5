#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a server that others wrote takes our signatures, whatever bytes the key has, and tells its faults as we read them."""
import os
import random
import urllib.parse

import harness
from ceph_gateway import ACCESS, REGION, SECRET, CephGateway

KEYS = ('plain.quire', "a b+c%20d&e=f?g#h'(i)!*~@:,;$.quire", 'ü/\\x/"<>|{}^`[].quire')


def test_ceph_takes_our_signatures(scratch, at_end, quire, mount, pack, monkeypatch):
    for name in [name for name in os.environ if name.startswith('AWS_')]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('HOME', str(scratch))
    gateway = CephGateway(at_end, scratch / 'ceph')
    tree = scratch / 'tree'
    tree.mkdir()
    contents = random.Random(1)
    for number in range(100):
        (tree / f'{number:03}').write_bytes(contents.randbytes(100_000))
    pack(tree, scratch / 'tree.quire')
    gateway.request('-X', 'PUT', f'{gateway.url}/photo-bucket')
    for key in KEYS:
        gateway.request('-T', scratch / 'tree.quire', f'{gateway.url}/photo-bucket/{urllib.parse.quote(key)}')

    monkeypatch.setenv('AWS_ENDPOINT_URL', gateway.url)
    monkeypatch.setenv('AWS_REGION', REGION)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', ACCESS)
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', SECRET)
    for key in KEYS:
        quire('verify', f's3://photo-bucket/{key}').says('no fault')
    mounted = mount(f's3://photo-bucket/{KEYS[1]}')
    harness.assert_same_tree(tree, mounted.folder)
    assert mounted.stats()['remote']['failures'] == 0

    url = f's3://photo-bucket/{KEYS[0]}'
    quire('ls', url + 'x', status=1).says('NoSuchKey')
    quire('ls', 's3://photo-bucke/x', status=1).says('NoSuchBucket')
    quire('ls', '--anonymous', url, status=1).says('without keys', 'AccessDenied')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', SECRET + 'x')
    quire('ls', url, status=1).says('SignatureDoesNotMatch')
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', ACCESS + 'x')
    quire('ls', url, status=1).says('InvalidAccessKeyId')
