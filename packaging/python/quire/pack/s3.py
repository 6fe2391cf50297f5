# SPDX-License-Identifier: Apache-2.0
"""One state of an object of S3, by ranges, by the module botocore, which comes with boto3 and with s3fs. It finds keys, region and endpoint where
Amazon's tools do, and makes a request again that fails in a way that may pass."""
from __future__ import annotations

import os
import re
from typing import Any

from quire.errors import SourceError
from quire.pack.sources import Source

_FIRST_BYTES = 8192  # the two slots of the superblock
_MISSING = 'the module botocore is not installed, by which packs are read from S3: install boto3 (python3-boto3) or s3fs, or mount the pack'


class S3Source(Source):
    """`url`: s3://BUCKET/KEY, the key as it is. A request waits for `timeout_s` at most for an answer to begin or go on."""

    def __init__(self, url: str, timeout_s: float = 60.0):
        match = re.fullmatch('s3://([^/]+)/(.+)', url, re.DOTALL)
        if match is None:
            raise SourceError(f'{url}: an object of S3 is named as s3://BUCKET/KEY')
        self.name, self._timeout_s = url, timeout_s
        self._bucket, self._key = match.groups()
        self._client: tuple[int, Any] | None = None
        self._condition: dict[str, str] = {}  # empty until the first answer
        self._first = self._ask(0, _FIRST_BYTES)

    def read(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._first):
            return self._first[offset:offset + length]
        return self._ask(offset, length)

    def forget(self, offset: int, length: int) -> None:
        if offset < len(self._first):
            self._first = b''

    def _ask(self, offset: int, length: int) -> bytes:
        client = self._get_client()
        from botocore.exceptions import BotoCoreError, ClientError  # pylint: disable=import-outside-toplevel
        try:
            answer = client.get_object(Bucket=self._bucket, Key=self._key, Range=f'bytes={offset}-{offset + length - 1}', **self._condition)
            body: bytes = answer['Body'].read()
        except ClientError as error:
            code = str(error.response.get('Error', {}).get('Code', ''))
            if code in ('PreconditionFailed', '412'):
                raise SourceError(f'{self.name}: it was replaced since it was opened: open it again') from error
            raise SourceError(f'{self.name}: the server answers {code}: {error}') from error
        except (BotoCoreError, OSError) as error:
            raise SourceError(f'{self.name}: {error}') from error
        return self._take(answer, body, offset, length)

    def _take(self, answer: dict[str, Any], body: bytes, offset: int, length: int) -> bytes:
        said = re.fullmatch(r'bytes (\d{1,19})-(\d{1,19})/(\d{1,19})', str(answer.get('ContentRange')))
        if said is None:
            raise SourceError(f'{self.name}: the server sends no range of a known size')
        first, last, size = map(int, said.groups())
        if first != offset or last != min(offset + length, size) - 1 or len(body) != last - first + 1:
            raise SourceError(f'{self.name}: the server sends bytes {first} to {last} of {size}, not those that it was asked for')
        tag = str(answer.get('ETag') or '')
        if not self._condition:  # the first answer says which object it is; all others must be of that
            self.size, self._condition = size, {'IfMatch': tag} if tag else {}
        elif (size, tag) != (self.size, self._condition['IfMatch']):
            raise SourceError(f'{self.name}: it was replaced since it was opened: open it again')
        return body

    def _get_client(self) -> Any:
        """One for each process: a fork must not share connections with its parent."""
        if self._client is None or self._client[0] != os.getpid():
            try:
                from botocore import config, exceptions, session  # pylint: disable=import-outside-toplevel
            except ImportError:
                raise SourceError(f'{self.name}: {_MISSING}') from None
            # Releases before 1.31 know the variables of the endpoint and of the region as little as we do: they are told.
            endpoint = os.environ.get('AWS_ENDPOINT_URL_S3') or os.environ.get('AWS_ENDPOINT_URL')
            region = os.environ.get('AWS_REGION') or os.environ.get('AWS_DEFAULT_REGION')
            how = config.Config(connect_timeout=self._timeout_s, read_timeout=self._timeout_s)
            try:
                client = session.get_session().create_client('s3', region_name=region, endpoint_url=endpoint, config=how)
            except (exceptions.BotoCoreError, ValueError) as error:
                raise SourceError(f'{self.name}: {error}') from error
            self._client = (os.getpid(), client)
        return self._client[1]
