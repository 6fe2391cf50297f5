# SPDX-License-Identifier: Apache-2.0
"""One state of an object on a web server, by ranges. The server is not trusted: an answer is used only where it is the range that
was asked for, of the object that was there at first, and every request has an end."""
from __future__ import annotations

import http.client
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any

from quire.errors import SourceError
from quire.pack.sources import Source

# A request that fails in a way that may pass is made four times in all, within 3.5 s of pauses: what a server needs to restart.
_PAUSES_S = (0.5, 1.0, 2.0)
_PASSING_STATUSES = (408, 429, 500, 502, 503, 504)
_FIRST_BYTES = 8192  # the two slots of the superblock


class _Passing(Exception):
    """What may be gone when the request is made again."""


class _Deadline:
    """Ends the connections of one request when its time is over, whatever the server does meanwhile."""

    def __init__(self, seconds: float):
        self._sockets: list[socket.socket] = []
        self._is_over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            for connected in self._sockets:
                connected.close()
            self._sockets.clear()

    def connect(self, *arguments: Any, **options: Any) -> socket.socket:
        """As socket.create_connection(). What is watched is a second descriptor of the connection: TLS takes the first one over before
        it shakes hands."""
        connected = socket.create_connection(*arguments, **options)
        with self._lock:
            if self._is_over:
                _shut(connected)
            else:
                self._sockets.append(connected.dup())
        return connected

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            for connected in self._sockets:
                _shut(connected)


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed already


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Ten at most, as urllib counts, and none that gives up encryption."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
                         newurl: str) -> urllib.request.Request | None:
        if req.type == 'https' and not newurl.lower().startswith('https:'):
            raise SourceError(f'{req.full_url}: the server leads from https to {newurl[:200]!r}')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _make_opener(deadline: _Deadline) -> urllib.request.OpenerDirector:
    """Knows http and https alone: a server that redirects to anything else is not obeyed."""
    class Connection(http.client.HTTPConnection):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            self._create_connection = deadline.connect

    class SecureConnection(http.client.HTTPSConnection):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            self._create_connection = deadline.connect

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(SecureConnection, req)

    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), Handler(), SecureHandler(), urllib.request.HTTPDefaultErrorHandler(),
                    _Redirects(), urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


class UrlSource(Source):
    """`headers` go to the server of the URL alone, not to those that it redirects to. A request takes `timeout_s` at most."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout_s: float = 60.0):
        if not re.match('https?://', url, re.IGNORECASE):
            raise SourceError(f'{url}: only http://, https:// and s3:// can be read')
        self.name = url
        self._headers, self._timeout_s = dict(headers or {}), timeout_s
        self._tag: str | None = None
        self._changed: str | None = None  # Last-Modified, where there is no ETag to go by
        self._size: int | None = None
        self._bypass = False  # caches on the way
        self._first = self._ask(0, _FIRST_BYTES)
        assert self._size is not None  # of the answer
        self.size = self._size

    def read(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._first):
            return self._first[offset:offset + length]
        return self._ask(offset, length)

    def forget(self, offset: int, length: int) -> None:
        self._bypass = True
        if offset < len(self._first):
            self._first = b''

    def _ask(self, offset: int, length: int) -> bytes:
        fault = ''
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._ask_once(offset, length)
            except _Passing as passing:
                fault = str(passing)
            if pause_s is not None:
                time.sleep(pause_s)
        raise SourceError(f'{self.name}: {fault}; asked {len(_PAUSES_S) + 1} times')

    def _ask_once(self, offset: int, length: int) -> bytes:
        try:
            request = urllib.request.Request(self.name, headers={'Range': f'bytes={offset}-{offset + length - 1}',
                                                                 'Accept-Encoding': 'identity'})
        except ValueError as error:
            raise SourceError(f'{self.name}: {error}') from error
        for name, value in self._headers.items():
            request.add_unredirected_header(name, value)
        if self._tag is not None:
            request.add_header('If-Match', self._tag)
        if self._bypass:
            request.add_header('Cache-Control', 'no-cache')
        with _Deadline(self._timeout_s) as deadline:
            try:
                with _make_opener(deadline).open(request, timeout=self._timeout_s) as answer:
                    return self._take(answer, offset, length)
            except urllib.error.HTTPError as error:
                with error:
                    self._refuse(error)
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, 'reason', error)
                raise _Passing(f'{reason or type(error).__name__}') from error
            except ValueError as error:  # of a URL or a status line that http.client cannot take
                raise SourceError(f'{self.name}: {error}') from error
        raise AssertionError('not reached: _refuse() raises')

    def _refuse(self, error: urllib.error.HTTPError) -> None:
        if error.code in _PASSING_STATUSES:
            raise _Passing(f'the server answers {error.code}') from error
        if error.code == 412:
            raise SourceError(f'{self.name}: it was replaced since it was opened: open it again') from error
        if error.code == 416:
            raise SourceError(f'{self.name}: it is too short for a pack, or was cut off since it was opened') from error
        raise SourceError(f'{self.name}: the server answers {error.code} {error.reason}') from error

    def _take(self, answer: http.client.HTTPResponse, offset: int, length: int) -> bytes:
        if answer.status != 206:
            raise SourceError(f'{self.name}: the server answers {answer.status} to a request for a range, not 206: it sends no ranges')
        if answer.headers.get('Content-Encoding', 'identity') != 'identity':
            raise SourceError(f'{self.name}: the server compresses what it was asked for as it is')
        said = answer.headers.get('Content-Range', '')
        if not said:  # an answer that was cut off among its headers has none either
            raise _Passing('the answer has no Content-Range')
        match = re.fullmatch(r'bytes (\d{1,19})-(\d{1,19})/(\d{1,19})', said)
        if match is None:
            raise SourceError(f'{self.name}: Content-Range is {said[:100]!r}, which names no range of a known size')
        first, last, size = map(int, match.groups())
        if first != offset or last != min(offset + length, size) - 1:
            raise SourceError(f'{self.name}: the server sends bytes {first} to {last} of {size}, not those that it was asked for')
        self._pin(answer, size)
        expected = last - first + 1
        if answer.length is not None and answer.length != expected:
            raise SourceError(f'{self.name}: the server announces {answer.length} bytes for a range of {expected}')
        body = answer.read(expected + 1)
        if len(body) < expected:
            raise _Passing(f'the server sent {len(body)} of {expected} bytes in the time that it had')
        if len(body) > expected:
            raise SourceError(f'{self.name}: the server sent more than the {expected} bytes that it named')
        return body

    def _pin(self, answer: http.client.HTTPResponse, size: int) -> None:
        """The first answer says which object it is; all others must be of that."""
        tag = answer.headers.get('ETag')
        if tag is not None and (tag.startswith('W/') or len(tag) > 1024):
            tag = None  # a weak one is no promise of the same bytes
        changed = answer.headers.get('Last-Modified')
        if self._size is None:
            self._size, self._tag, self._changed = size, tag, changed
        elif (size, tag) != (self._size, self._tag) or (tag is None and changed != self._changed):
            raise SourceError(f'{self.name}: it was replaced since it was opened: open it again')
