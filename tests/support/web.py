# SPDX-License-Identifier: Apache-2.0
"""Web servers of a test's own, on loopback: nginx, and one that misbehaves as it is told."""
import contextlib
import http.server
import os
import random
import re
import shutil
import socket
import threading

import harness
import pytest


SAMPLE_BYTES = 100_000


def served_pack(samples):
    """A fixture: a folder with the pack `tree.quire` of the folder `tree`, which has so many samples."""
    @pytest.fixture(name='served')
    def make_served(scratch, pack):
        tree = scratch / 'tree'
        tree.mkdir()
        contents = random.Random(1)
        for number in range(samples):
            (tree / f'{number:03}').write_bytes(contents.randbytes(SAMPLE_BYTES))
        folder = scratch / 'served'
        folder.mkdir()
        pack(tree, folder / 'tree.quire')
        return folder
    return make_served


@pytest.fixture(name='origin')
def make_origin(at_end, served):
    """A server of that pack, which misbehaves as it is told."""
    return Misbehaving(at_end, served / 'tree.quire')


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


class Nginx:
    """Serves a folder; `settings` are further lines of its server block. Ends with the test: one process, which a kill ends."""

    def __init__(self, at_end, scratch, folder, settings='', tls=None):
        if not shutil.which('nginx', path='/usr/sbin:/usr/bin'):
            pytest.skip('there is no nginx')
        self.port = free_port()
        self.own = scratch / f'nginx-{self.port}'
        self.own.mkdir()
        self.log = self.own / 'access.log'
        listen = f'127.0.0.1:{self.port}' + (' ssl http2' if tls else '')
        keys = f'ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};' if tls else ''
        temporary = ' '.join(f'{name}_temp_path {self.own}/{name};' for name in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        self.configure(listen, temporary, f'{keys} root {folder}; {settings}')
        self.process = None
        self.url = f'{"https" if tls else "http"}://127.0.0.1:{self.port}'
        self.at_end = at_end
        self.start()

    def configure(self, listen, temporary, settings):
        (self.own / 'nginx.conf').write_text(
            f'daemon off; master_process off; pid {self.own}/pid; error_log {self.own}/error.log;\n'
            f'events {{ }}\n'
            f'http {{ {temporary} access_log {self.log};\n'
            f'  server {{ listen {listen}; {settings} }} }}\n')

    def start(self):
        self.process = harness.start(self.at_end, '/usr/sbin/nginx', '-c', self.own / 'nginx.conf', '-e', self.own / 'error.log')
        harness.until(10, self.answers, 'nginx answers')

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), timeout=1):
            return True
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Misbehaving:
    """Serves one file by ranges. `faults` is a list of (name, count): so many of the next answers have that fault."""

    def __init__(self, at_end, path):
        self.path = path
        self.faults = []
        self.seen = []  # what was asked for: (range, headers)
        self.done = []  # the faults of answers so far
        self.let_go = threading.Event()
        outer = self
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def do_GET(self):  # pylint: disable=invalid-name  # http.server's name
                outer.answer(self)

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.server.server_port}/{os.path.basename(path)}'
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        at_end.callback(lambda: (self.let_go.set(), self.server.shutdown(), thread.join(), self.server.server_close()))

    def take_fault(self):
        with self.lock:
            while self.faults and self.faults[0][1] == 0:
                self.faults.pop(0)
            if not self.faults:
                return ''
            name, count = self.faults[0]
            self.faults[0] = (name, count - 1)
            if name:
                self.done.append(name)
            return name

    def answer(self, request):
        data = self.path.read_bytes()
        first, last = map(int, re.fullmatch(r'bytes=(\d+)-(\d+)', request.headers['Range']).groups())
        last = min(last, len(data) - 1)
        self.seen.append(((first, last), dict(request.headers)))
        body = data[first:last + 1]
        fault = self.take_fault()
        status, headers = 206, {'Content-Range': f'bytes {first}-{last}/{len(data)}', 'ETag': '"one"'}
        length = len(body)
        if fault.isdigit():
            status, headers, body, length = int(fault), {}, b'no', 2
        elif fault == 'patience':
            status, headers, body, length = 429, {'Retry-After': '1'}, b'no', 2
        elif fault == 'silence':
            self.let_go.wait()
            request.close_connection = True
            return
        elif fault == 'drip':
            request.wfile.write(b'HTTP/1.1 206 Partial\r\n')
            while not self.let_go.wait(0.2):
                with contextlib.suppress(OSError):
                    request.wfile.write(b'X')
            request.close_connection = True
            return
        elif fault == 'cut headers':
            request.wfile.write(b'HTTP/1.1 206 Partial\r\nETag: "one"\r\n')
            request.close_connection = True
            return
        elif fault.startswith('trailer'):
            trailers = {'trailer status': b'HTTP/1.1 206: x', 'trailer range': b'Content-Range: bytes 0-1/2', 'trailer no range':
                        b'Content-Range: x', 'trailer tag': b'ETag: "two"'}
            head = f'HTTP/1.1 206 Partial\r\nContent-Range: bytes {first}-{last}/{len(data)}\r\nETag: "one"\r\n'
            with contextlib.suppress(OSError):
                request.wfile.write(head.encode() + b'Transfer-Encoding: chunked\r\n\r\n' + f'{len(body):x}\r\n'.encode() + body +
                                    b'\r\n0\r\n' + trailers[fault] + b'\r\n\r\n')
            return
        elif fault == 'long patience':
            status, headers, body, length = 503, {'Retry-After': '4294967295'}, b'no', 2
        elif fault == 'cut':
            body = body[:len(body) // 2]
            request.close_connection = True
        elif fault == 'short':
            body = body[:len(body) // 2]
            length = len(body)
        elif fault == 'long':
            body += b'x' * 1000
            length = len(body)
        elif fault == 'long length':
            length += 1000
        elif fault == 'header drip':
            request.wfile.write(b'HTTP/1.1 206 Partial\r\n')
            with contextlib.suppress(OSError):
                while not self.let_go.wait(0.1):
                    request.wfile.write(b'X-Y: ' + b'z' * 1000 + b'\r\n')
            request.close_connection = True
            return
        elif fault == 'whole':
            status, headers, body, length = 200, {'ETag': '"one"'}, data, len(data)
        elif fault == 'other range':
            headers['Content-Range'] = f'bytes {first + 1}-{last + 1}/{len(data) + 1}'
        elif fault == 'no range':
            del headers['Content-Range']
        elif fault == 'other size':
            headers['Content-Range'] = f'bytes {first}-{last}/{len(data) + 1}'
        elif fault == 'other tag':
            headers['ETag'] = '"two"'
        elif fault == 'gzip':
            headers['Content-Encoding'] = 'gzip'
        elif fault == 'wrong bytes' or (fault == 'kept wrong' and request.headers['Cache-Control'] != 'no-cache'):
            body = bytes(byte ^ 1 for byte in body)
        elif fault == 'no http':
            request.wfile.write(b'\0' * 100)
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header('Content-Length', str(length))
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(body)
