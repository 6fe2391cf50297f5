# SPDX-License-Identifier: Apache-2.0
"""Ceph's gateway of Amazon S3's protocol (RADOS Gateway) with a Ceph of one node behind it, on loopback: a monitor, a manager, one OSD in
a file. Needs root and Debian's ceph-mon, ceph-mgr, ceph-osd, ceph-common and radosgw; takes about 20 s to start."""
import os
import pathlib
import shutil
import uuid

import harness
import pytest
import web

PROGRAMS = ('ceph', 'ceph-authtool', 'ceph-mgr', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin')
ACCESS, SECRET = 'gateway-key', 'gateway-secret'
REGION = 'default'  # the gateway's zone group
DISK_BYTES = 2 << 30  # sparse: what is stored takes room

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}/0
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/$name.keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
bluestore block size = {disk_bytes}
osd memory target = 939524096
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
rgw data = {folder}/rgw
rgw frontends = beast endpoint={address}:{port}
[mon]
keyring = {folder}/mon/keyring
"""


class CephGateway:
    """`url`, and a user with ACCESS and SECRET. All of it lies in `folder`, and ends with the test. `within`: a command that starts
    those that are behind it, as in another network namespace, of which `url` is then; `address`: at which the gateway answers."""

    def __init__(self, at_end, folder, within=(), address='127.0.0.1'):
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing or not harness.is_root():
            pytest.skip(f'needs root and Ceph: there is no {", ".join(missing)}' if missing else 'needs root')
        self.at_end, self.folder, self.within = at_end, pathlib.Path(folder), within
        for name in ('mon', 'mgr', 'osd', 'rgw'):
            (self.folder / name).mkdir(parents=True)
        self.port = web.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        mon_port = web.free_port()
        fsid = uuid.uuid4()
        configuration = self.folder / 'ceph.conf'
        configuration.write_text(CONFIGURATION.format(fsid=fsid, folder=folder, address=address, port=self.port, mon_port=mon_port, disk_bytes=DISK_BYTES))
        self.environment = {**os.environ, 'CEPH_CONF': str(configuration), 'PYTHONDONTWRITEBYTECODE': '1'}
        self.start_monitor(fsid, mon_port)
        self.start_osd()
        self.start_gateway()

    def run(self, *command):
        return harness.run(*self.within, 'timeout', '120', *command, env=self.environment).out

    def start(self, *command):
        with open(self.folder / f'{command[0]}.out', 'wb') as log:
            return harness.start(self.at_end, *self.within, *command, env=self.environment, stdout=log, stderr=log)

    def make_key(self, name, *rights):
        self.run('ceph', 'auth', 'get-or-create', name, *rights, '-o', self.folder / f'{name}.keyring')

    def start_monitor(self, fsid, mon_port):
        admin, first, monitors = self.folder / 'client.admin.keyring', self.folder / 'first', self.folder / 'monmap'
        rights = [word for kind in ('mon', 'osd', 'mgr') for word in ('--cap', kind, 'allow *')]
        self.run('ceph-authtool', '--create-keyring', admin, '--gen-key', '-n', 'client.admin', *rights)
        self.run('ceph-authtool', '--create-keyring', first, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *')
        self.run('ceph-authtool', first, '--import-keyring', admin)
        self.run('monmaptool', '--create', '--addv', 'a', f'[v2:127.0.0.1:{mon_port}]', '--fsid', str(fsid), '--clobber', monitors)
        self.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monitors, '--keyring', first)
        self.start('ceph-mon', '-f', '-i', 'a')
        self.run('ceph', '-s')
        self.make_key('mgr.x', 'mon', 'allow profile mgr', 'osd', 'allow *')
        self.make_key('client.rgw', 'mon', 'allow rw', 'osd', 'allow rwx', 'mgr', 'allow rw')
        self.start('ceph-mgr', '-f', '-i', 'x')

    def start_osd(self):
        osd, key = str(uuid.uuid4()), self.run('ceph-authtool', '--gen-print-key').strip()
        (self.folder / 'osd.json').write_text(f'{{"cephx_secret": "{key}"}}')
        self.run('ceph', 'osd', 'new', osd, '-i', self.folder / 'osd.json')
        self.run('ceph-authtool', '--create-keyring', self.folder / 'osd.0.keyring', '--name', 'osd.0', '--add-key', key)
        self.run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
        self.start('ceph-osd', '-f', '-i', '0')
        harness.until(120, lambda: ' 1 up' in self.run('ceph', 'osd', 'stat'), 'the OSD is up')

    def start_gateway(self):
        self.start('radosgw', '-f', '-n', 'client.rgw')
        harness.until(120, self.answers, 'the gateway answers')
        self.run('radosgw-admin', '-n', 'client.rgw', 'user', 'create', '--uid=test', '--display-name=test', f'--access-key={ACCESS}',
                 f'--secret-key={SECRET}')

    def answers(self):
        return harness.run(*self.within, 'curl', '-s', '-o', '/dev/null', '--max-time', '1', self.url, status=None).returncode == 0

    def request(self, *arguments):
        """By curl, which signs; what the gateway answers."""
        return harness.run(*self.within, 'curl', '-sS', '--fail-with-body', '--path-as-is', '--aws-sigv4', f'aws:amz:{REGION}:s3', '--user',
                           f'{ACCESS}:{SECRET}', '-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD', *arguments).out
