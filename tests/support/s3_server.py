# SPDX-License-Identifier: Apache-2.0
"""A server of Amazon S3's protocol, on loopback, that checks signatures (Signature Version 4, by its documentation), and the
services that tell a container or a machine its keys."""
import contextlib
import dataclasses
import datetime
import hashlib
import hmac
import http.server
import json
import re
import secrets
import threading
import time
import urllib.parse

FAULTS = {'NoSuchKey': 404, 'NoSuchBucket': 404, 'AccessDenied': 403, 'InvalidAccessKeyId': 403, 'SignatureDoesNotMatch': 403,
          'RequestTimeTooSkewed': 403, 'ExpiredToken': 400, 'InvalidToken': 400, 'SlowDown': 503, 'InternalError': 500,
          'RequestTimeout': 400, 'InvalidObjectState': 403, 'PermanentRedirect': 301, 'AuthorizationHeaderMalformed': 400,
          'PreconditionFailed': 412, 'InvalidRange': 416, 'Odd\x1b[31m': 403}
MOST_SKEW_S = 900


@dataclasses.dataclass
class Keys:
    access: str
    secret: str
    token: str = ''
    expires: float = float('inf')  # time.time()

    def variables(self):
        found = {'AWS_ACCESS_KEY_ID': self.access, 'AWS_SECRET_ACCESS_KEY': self.secret}
        return found | ({'AWS_SESSION_TOKEN': self.token} if self.token else {})


def make_keys(life_s=None):
    """Keys of long life, or of a session. None of their parts is a part of another text."""
    def word():
        return secrets.token_hex(16)
    if life_s is None:
        return Keys('LONG' + word(), word())
    return Keys('SESSION' + word(), word(), word() + '+/=', time.time() + life_s)


def serve(at_end, answer):
    """A server whose requests `answer(handler)` answers; its URL."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *_):
            pass

        def do_GET(self):  # pylint: disable=invalid-name  # http.server's name
            with contextlib.suppress(ConnectionError):
                answer(self)

        do_PUT = do_GET

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    at_end.callback(lambda: (server.shutdown(), thread.join(), server.server_close()))
    return f'http://127.0.0.1:{server.server_port}'


def send(request, status, body, headers=None):
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header('Content-Length', str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def signature_of(secret, scope, when, canonical):
    key = ('AWS4' + secret).encode()
    for part in scope.split('/'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f'AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}'
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class S3Server:
    """`objects`: files by 'BUCKET/KEY'. `faults`: (code, count), so many of the next answers have that fault."""

    def __init__(self, at_end, objects, region='us-east-1'):
        self.objects, self.region = objects, region
        self.keys = {}
        self.is_public = False
        self.clock_s = 0  # how far its clock is ahead
        self.faults = []
        self.fault_headers = {}
        self.seen = []  # the handlers' paths and headers
        self.lock = threading.Lock()
        self.url = serve(at_end, self.answer)

    def add(self, keys):
        self.keys[keys.access] = keys
        return keys

    def take_fault(self):
        with self.lock:
            while self.faults and self.faults[0][1] == 0:
                self.faults.pop(0)
            if not self.faults:
                return ''
            code, count = self.faults[0]
            self.faults[0] = (code, count - 1)
            return code

    def find_fault(self, request):
        """The code of what is wrong with its signature, or ''."""
        words = request.headers.get('Authorization')
        if words is None:
            return '' if self.is_public else 'AccessDenied'
        access, scope, names, signature = re.fullmatch(
            r'AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})', words).groups()
        keys = self.keys.get(access)
        if keys is None:
            return 'InvalidAccessKeyId'
        when = request.headers['X-Amz-Date']
        sent = datetime.datetime.strptime(when, '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(sent - time.time() - self.clock_s) > MOST_SKEW_S:
            return 'RequestTimeTooSkewed'
        if scope.split('/')[1] != self.region:
            return 'AuthorizationHeaderMalformed'
        path, _, query = request.path.partition('?')
        signed = names.split(';')
        if not {'host', 'x-amz-date'} | {name.lower() for name in request.headers if name.lower().startswith('x-amz-')} <= set(signed):
            return 'AccessDenied'
        lines = ''.join(f'{name}:{" ".join(request.headers[name].split())}\n' for name in signed)
        canonical = f'{request.command}\n{path}\n{query}\n{lines}\n{names}\n{request.headers["X-Amz-Content-Sha256"]}'
        if signature != signature_of(keys.secret, scope, when, canonical):
            return 'SignatureDoesNotMatch'
        if request.headers.get('X-Amz-Security-Token', '') != keys.token:
            return 'InvalidToken'
        return 'ExpiredToken' if time.time() > keys.expires else ''

    def answer(self, request):
        self.seen.append((request.path, dict(request.headers)))
        date = datetime.datetime.fromtimestamp(time.time() + self.clock_s, datetime.timezone.utc)
        request.date_time_string = lambda *_: date.strftime('%a, %d %b %Y %H:%M:%S GMT')
        name = urllib.parse.unquote(request.path[1:], errors='surrogateescape')
        code = self.take_fault() or self.find_fault(request)
        if not code and name not in self.objects:
            code = 'NoSuchKey' if any(other.startswith(name.split('/')[0] + '/') for other in self.objects) else 'NoSuchBucket'
        if code:
            self.refuse(request, code)
            return
        data = self.objects[name].read_bytes()
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        if request.headers.get('If-Match', tag) != tag:
            self.refuse(request, 'PreconditionFailed')
            return
        first, last = map(int, re.fullmatch(r'bytes=(\d+)-(\d+)', request.headers['Range']).groups())
        last = min(last, len(data) - 1)
        send(request, 206, data[first:last + 1], {'Content-Range': f'bytes {first}-{last}/{len(data)}', 'ETag': tag})

    def refuse(self, request, code):
        region = f'<Region>{self.region}</Region>' if code == 'AuthorizationHeaderMalformed' else ''
        sent = ' '.join(f'{name}: {value}' for name, value in request.headers.items())  # as S3 tells what it was to sign
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{sent}</Message>{region}</Error>'
        send(request, FAULTS[code], body.encode(), self.fault_headers)


class KeyServices:
    """What tells keys: `container`, a URL with its `authorization`, and `machine`, as on Amazon EC2 with tokens (IMDSv2). Each answer
    has new keys, which `server` takes for `life_s`."""

    def __init__(self, at_end, server, life_s):
        self.server, self.life_s = server, life_s
        self.authorization = 'word-' + secrets.token_hex(8)
        self.token = secrets.token_hex(16)
        self.role = 'reader-of-packs'
        self.is_out = False
        self.told = []
        self.machine = serve(at_end, self.answer)
        self.container = self.machine + '/container'

    def answer(self, request):
        prefix = '/latest/meta-data/iam/security-credentials/'
        has_token = request.headers.get('X-aws-ec2-metadata-token') == self.token
        is_container = request.path == '/container' and request.headers.get('Authorization') == self.authorization
        if self.is_out:
            send(request, 500, b'out')
        elif request.command == 'PUT' and request.path == '/latest/api/token':
            send(request, 200 if request.headers.get('X-aws-ec2-metadata-token-ttl-seconds') else 400, self.token.encode())
        elif request.path == prefix and has_token:
            send(request, 200, self.role.encode()) if self.role else send(request, 404, b'')
        elif is_container or (request.path == prefix + self.role and has_token):
            keys = self.server.add(make_keys(self.life_s))
            self.told.append(keys)
            end = datetime.datetime.fromtimestamp(keys.expires, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
            send(request, 200, json.dumps({'Code': 'Success', 'AccessKeyId': keys.access, 'SecretAccessKey': keys.secret,
                                           'Token': keys.token, 'Expiration': end}).encode())
        else:
            send(request, 401, b'')
