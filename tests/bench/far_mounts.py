# SPDX-License-Identifier: Apache-2.0
"""How a tree on a server is mounted by Quire and by what else mounts it, each by the options that its documentation gives for
reading: what is documented to make it quicker is on, and it may believe for ever what it was told of names and attributes, as
Quire does. Daemons run in the client's namespace, in the foreground, and end with their mounts."""
import contextlib
import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable

from links import CLIENT, ENVIRONMENT, within
from mounts import END_LIMIT_S, MOUNT_LIMIT_S, CannotMount, unmount, wait_for_memory
from origins import BUCKET, Nginx

SQUASHFS = 'tree.squashfs'  # the only file of its folder on the server
SQUASHFS_FOLDER, TREE_FOLDER = 'squashfs', 'tree'


@dataclasses.dataclass
class Site:
    """What peers mount, and where."""
    scratch: str
    pack_url: str = ''
    gateway: object = None


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    title: str
    best_mode: str  # and why
    mount: Callable  # of a site, and the folder to mount on
    programs: tuple = ()
    of_gateway: bool = False
    per_object: bool = False  # a request or more for each file

    def why_not(self, site):
        """Empty where it can take part."""
        missing = [program for program in self.programs if not shutil.which(program)]
        if missing:
            return f'there is no {", ".join(missing)}'
        return 'there is no gateway of S3' if self.of_gateway and site.gateway is None else ''


@contextlib.contextmanager
def mounted_by(command, mnt):
    """By a daemon in the foreground."""
    os.makedirs(mnt, exist_ok=True)
    with tempfile.TemporaryFile(mode='w+') as output:
        process = subprocess.Popen(within(CLIENT, *command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env=ENVIRONMENT)
        try:
            deadline = time.monotonic() + MOUNT_LIMIT_S
            while not os.path.ismount(mnt):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise CannotMount(f'{os.path.basename(str(command[0]))}: {output.read().strip()[-300:]}')
                time.sleep(0.005)
            wait_for_memory(mnt)
            yield mnt
        finally:
            if os.path.ismount(mnt):
                unmount(mnt)
            try:
                process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def quire(program, source, mnt, options=''):
    return mounted_by([program, 'mount', '-f', source, mnt, *(['-o', options] if options else [])], mnt)


def s3fs(site, mnt):
    secret = f'{site.scratch}/s3fs.secret'
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='ascii') as file:
        file.write(f'{site.gateway.access}:{site.gateway.secret}\n')
    return mounted_by(['s3fs', BUCKET, mnt, '-f', '-o', f'url={site.gateway.endpoint},use_path_request_style,passwd_file={secret},ro,'
                       'kernel_cache,max_stat_cache_size=1000000,stat_cache_expire=86400,multireq_max=64,notsup_compat_dir,'
                       'enable_noobj_cache,attr_timeout=3600,entry_timeout=3600'], mnt)


RCLONE = ['--read-only', '--no-modtime', '--no-checksum', '--dir-cache-time', '24h', '--attr-timeout', '1h',
          '--poll-interval', '0', '--checkers', '64']


def rclone_s3(site, mnt):
    return mounted_by(['rclone', 'mount', site.gateway.remote(), mnt, *RCLONE], mnt)


def rclone_http(_, mnt):
    return mounted_by(['rclone', 'mount', f':http,url="{Nginx.url(TREE_FOLDER)}/":', mnt, *RCLONE], mnt)


@contextlib.contextmanager
def httpdirfs(site):
    """The image on the server as a local file."""
    cache = f'{site.scratch}/httpdirfs-cache'
    shutil.rmtree(cache, ignore_errors=True)
    os.mkdir(cache)
    try:
        with mounted_by(['httpdirfs', '-f', '--cache', '--cache-location', cache, '--max-conns', '16', '--no-range-check', f'{Nginx.url(SQUASHFS_FOLDER)}/',
                         f'{site.scratch}/httpdirfs'], f'{site.scratch}/httpdirfs') as folder:
            yield f'{folder}/{SQUASHFS}'
    finally:
        shutil.rmtree(cache, ignore_errors=True)


@contextlib.contextmanager
def squashfuse(site, mnt):
    with httpdirfs(site) as image, mounted_by(['squashfuse_ll', '-f', image, mnt], mnt):
        yield mnt


@contextlib.contextmanager
def squashfs(site, mnt):
    os.makedirs(mnt, exist_ok=True)
    with httpdirfs(site) as image:
        loop = subprocess.run(['losetup', '--find', '--show', '--read-only', image], check=True, capture_output=True,
                              text=True).stdout.strip()
        try:
            tried = subprocess.run(['mount', '-t', 'squashfs', '-o', 'ro', loop, mnt], check=False, capture_output=True, text=True)
            if tried.returncode != 0:
                raise CannotMount(tried.stderr.strip())
            try:
                yield mnt
            finally:
                unmount(mnt)
        finally:
            subprocess.run(['losetup', '--detach', loop], check=True)


PEERS = [
    Peer('s3fs', 's3fs', 'Ceph\'s gateway; folders are objects, so that it need not look for others (notsup_compat_dir); attributes of all'
         ' are kept, 64 requests at once for a list', s3fs, ('s3fs',), of_gateway=True, per_object=True),
    Peer('rclone-s3', 'rclone mount, S3', 'Ceph\'s gateway; no times and sums, which are requests of their own (--no-modtime, --no-checksum);'
         ' no cache of files, which would be written first and read then', rclone_s3, ('rclone',), of_gateway=True, per_object=True),
    Peer('rclone-http', 'rclone mount, http', 'nginx with autoindex; 64 files at once are asked for their sizes (--checkers)', rclone_http,
         ('rclone',), per_object=True),
    Peer('httpdirfs-squashfuse', 'httpdirfs, squashfuse_ll', 'one image, uncompressed; with its cache, in pieces of 8 MB, and 16'
         ' connections: without it each read is a request', squashfuse, ('httpdirfs', 'squashfuse_ll', 'mksquashfs')),
    Peer('httpdirfs-squashfs', 'httpdirfs, kernel squashfs', 'the same by the kernel, over a loop device', squashfs,
         ('httpdirfs', 'losetup', 'mksquashfs')),
]
