"""Amazon S3, and what speaks like it, as a source, by way of boto3, with the credentials and endpoint that boto3 finds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from datamon.store.external.failures import changed, check_size, gone, missing_extra, refused, unreachable
from datamon.store.external.keys import found_by_key, in_pieces
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url

_CONNECTIONS = 32
_GONE = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")
_OTHER_VERSION = ("412", "PreconditionFailed", "NoSuchVersion", "416", "InvalidRange")
_DENIED = (
    "401",
    "403",
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "AllAccessDisabled",
)


class S3Buckets:
    """See `Source`. Bytes are read under their ETag, or by their version where the bucket keeps versions; calls that fail for a
    passing reason are tried again. Without credentials what is public can be read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def find(self, url: Url) -> Iterator[Listed]:
        """See `Source`."""
        return found_by_key(url, self.status, self._under)

    def status(self, url: Url) -> Status:
        """See `Source`."""
        with _failures(url):
            head = self._opened(url).head_object(Bucket=url.host, Key=url.path)
            return _status(head["ContentLength"], head["LastModified"], head["ETag"], head.get("VersionId"))

    def read(self, url: Url, at: Status, begin: int, end: int) -> bytes:
        """See `Source`."""
        if begin == end:
            check_size(url, at, self.status(url))
            return b""
        asked = {"Bucket": url.host, "Key": url.path, "Range": f"bytes={begin}-{end - 1}"}
        if at.version is not None:
            asked["VersionId"] = at.version
        elif at.etag is not None:
            asked["IfMatch"] = f'"{at.etag}"'
        with _failures(url, pinned=at.version is not None):
            content: bytes = self._opened(url).get_object(**asked)["Body"].read()
        if len(content) != end - begin:
            raise changed(url, "it has another size")
        return content

    def stream(self, url: Url, at: Status) -> Iterator[bytes]:
        """See `Source`."""
        return in_pieces(partial(self.read, url, at), at)

    def _under(self, url: Url, prefix: str) -> Iterator[tuple[str, Status]]:
        with _failures(url):
            for page in self._opened(url).get_paginator("list_objects_v2").paginate(Bucket=url.host, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"], _status(found["Size"], found["LastModified"], found["ETag"], None)

    def _opened(self, url: Url) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _client(url)
            return self._client


def _status(size_bytes: int, modified: Any, etag: str, version: str | None) -> Status:
    plain = etag.strip('"')
    mtime_ns = int(modified.timestamp() * 1_000_000) * 1_000
    version = version if version != "null" else None
    return Status(size_bytes, mtime_ns, etag=plain, version=version, proof=f"{plain} {mtime_ns}")


# An optional extra, and 0.2 s: hence the imports below.


def _client(url: Url) -> Any:
    try:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
    except ImportError as error:
        raise missing_extra(url, error) from error
    with _failures(url):
        session = boto3.session.Session()
        signing = {} if session.get_credentials() is not None else {"signature_version": UNSIGNED}
        retries = {"mode": "standard", "max_attempts": 5}
        config = Config(
            max_pool_connections=_CONNECTIONS, connect_timeout=10, read_timeout=60, retries=retries, **signing
        )
        region = session.region_name or "us-east-1"
        return session.client("s3", config=config, region_name=region)


@contextmanager
def _failures(url: Url, *, pinned: bool = False) -> Iterator[None]:
    """Turns what the library raises into errors of ours. When a version that was asked for is gone, the object has changed or is
    gone: whoever looks again learns which."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _OTHER_VERSION or (pinned and code in _GONE):
            raise changed(url, f"its bucket says {code}") from error
        if code in _GONE:
            raise gone(url) from error
        if code in _DENIED:
            raise refused(url, code) from error
        raise unreachable(url, error) from error
    except NoCredentialsError as error:
        raise refused(url, str(error)) from error
    except (BotoCoreError, HTTPClientError, OSError, ValueError) as error:
        raise unreachable(url, error) from error
