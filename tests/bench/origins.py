# SPDX-License-Identifier: Apache-2.0
"""Servers of the benchmark of packs far away, in the namespace of the server (links.py): nginx, and Ceph's gateway of S3."""
import contextlib
import os
import shutil
import subprocess
import sys
import time

from environment import REPOSITORY, say
from links import ADDRESS, CLIENT, ENVIRONMENT, SERVER, within

START_LIMIT_S = 10
BUCKET = 'tree'
FILE_MODE = 0o100644


class NotToBeHad(Exception):
    pass


def await_answer(namespace, url, process, folder):
    deadline = time.monotonic() + START_LIMIT_S
    while subprocess.run(within(namespace, 'curl', '-s', '-o', '/dev/null', url), check=False).returncode != 0:
        if time.monotonic() > deadline or process.poll() is not None:
            raise OSError(f'nginx does not answer: see {folder}/error.log')
        time.sleep(0.05)


class Nginx:
    """Serves `folder` by http and by https with HTTP/2, with lists of folders, by one worker. What it sends is logged."""

    def __init__(self, at_end, scratch, folder):
        self.own = f'{scratch}/nginx'
        shutil.rmtree(self.own, ignore_errors=True)
        os.mkdir(self.own)
        self.certificate = f'{self.own}/certificate.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                        '-keyout', f'{self.own}/key.pem', '-out', self.certificate, '-subj', '/CN=quire', '-addext',
                        f'subjectAltName=IP:{ADDRESS}'], check=True, capture_output=True)
        temporary = ' '.join(f'{name}_temp_path {self.own}/{name};' for name in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        with open(f'{self.own}/nginx.conf', 'w', encoding='utf-8') as file:
            file.write(f'user root; daemon off; master_process off; pid {self.own}/pid; error_log {self.own}/error.log;\n'
                       f'events {{ worker_connections 1024; }}\n'
                       f'http {{ {temporary} log_format sent $body_bytes_sent; access_log {self.own}/sent.log sent; sendfile on;\n'
                       f'  ssl_certificate {self.certificate}; ssl_certificate_key {self.own}/key.pem;\n'
                       f'  server {{ listen 80; listen 443 ssl http2; root {folder}; autoindex on; }} }}\n')
        command = within(SERVER, '/usr/sbin/nginx', '-c', f'{self.own}/nginx.conf', '-e', f'{self.own}/error.log')
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        at_end.callback(lambda: (process.terminate(), process.wait()))
        await_answer(SERVER, 'http://127.0.0.1/', process, self.own)

    @staticmethod
    def url(path='', tls=False):
        return f'http{"s" if tls else ""}://{ADDRESS}/{path}'

    def sent_bytes(self):
        """Of bodies, since it began."""
        with open(f'{self.own}/sent.log', encoding='ascii') as file:
            return sum(map(int, file))


class TierServer:
    """Serves `folder`, in which tiers lie, to mounts in the client's namespace, as packaging/examples/nginx/tier.conf says."""

    def __init__(self, at_end, scratch, folder):
        own = f'{scratch}/nginx-of-tiers'
        shutil.rmtree(own, ignore_errors=True)
        os.mkdir(own)
        temporary = ' '.join(f'{name}_temp_path {own}/{name};' for name in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        with open(f'{REPOSITORY}/packaging/examples/nginx/tier.conf', encoding='utf-8') as file:
            text = file.read()
        for old, new in (('/nvme/quire/', f'{folder}/'), ('pid /run/quire-tier.pid;', f'user root; daemon off; pid {own}/pid;'),
                         ('http {', f'http {{ {temporary}')):
            if text.count(old) != 1:
                raise OSError(f'the example of a tier has not one "{old}"')
            text = text.replace(old, new)
        with open(f'{own}/nginx.conf', 'w', encoding='utf-8') as file:
            file.write(text)
        process = subprocess.Popen(within(CLIENT, '/usr/sbin/nginx', '-c', f'{own}/nginx.conf', '-e', f'{own}/error.log'),
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        at_end.callback(lambda: (process.terminate(), process.wait()))
        self.url = 'http://127.0.0.1:8080/tier'
        await_answer(CLIENT, 'http://127.0.0.1:8080/', process, own)


class Gateway:
    """Ceph's gateway, with the files of `tree` as objects of a bucket: the files with the attributes that s3fs gives to what is
    copied to its mount, and an object for each folder, as s3fs makes them."""

    def __init__(self, at_end, scratch, tree):
        sys.path.append(f'{REPOSITORY}/tests/support')
        try:
            import ceph_gateway  # pylint: disable=import-outside-toplevel  # needs pytest, and Ceph's programs
        except ImportError as error:
            raise NotToBeHad(str(error)) from None
        missing = [name for name in (*ceph_gateway.PROGRAMS, 'rclone') if not shutil.which(name)]
        if missing:
            raise NotToBeHad(f'there is no {", ".join(missing)}')
        folder = f'{scratch}/ceph'
        shutil.rmtree(folder, ignore_errors=True)
        say('starting Ceph and its gateway')
        gateway = ceph_gateway.CephGateway(at_end, folder, within(SERVER), '0.0.0.0')
        self.port, self.access, self.secret = gateway.port, ceph_gateway.ACCESS, ceph_gateway.SECRET
        gateway.request('-X', 'PUT', f'{gateway.url}/{BUCKET}')
        say('copying the tree to a bucket')
        subprocess.run(within(SERVER, 'rclone', 'copy', tree, self.remote('127.0.0.1'), '--transfers', 16, '--header-upload',
                              f'x-amz-meta-mode: {FILE_MODE}', '--s3-no-check-bucket'), check=True, stdin=subprocess.DEVNULL,
                       env=ENVIRONMENT)
        for entry in os.scandir(tree):
            if entry.is_dir():
                gateway.request('-X', 'PUT', '-H', f'x-amz-meta-mode: {0o40755}', '-H', 'content-type: application/x-directory',
                                '--data-binary', '', f'{gateway.url}/{BUCKET}/{entry.name}/')

    @property
    def endpoint(self):
        return f'http://{ADDRESS}:{self.port}'

    def remote(self, address=ADDRESS):
        """As rclone names it."""
        return (f':s3,provider=Ceph,access_key_id={self.access},secret_access_key={self.secret},'
                f'endpoint="http://{address}:{self.port}":{BUCKET}')


@contextlib.contextmanager
def folder_in_memory(path):
    """What is served must stay in memory when caches are dropped."""
    os.makedirs(path, exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=75%', 'quire-remote', path], check=True)
    try:
        yield path
    finally:
        subprocess.run(['umount', '--lazy', path], check=True)
