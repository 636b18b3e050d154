"""A backend in a Google Cloud Storage bucket, by way of google-cloud-storage. No other module imports that library."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamon.errors import DatamonError, Denied, NotFound, Unavailable
from datamon.store.backend import Content, Span, Stored, joined
from datamon.store.backend.foreign import Version
from datamon.store.backend.keys import check_key, check_prefix, is_key, key_not_found

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

_PACK_BYTES = 16 * 2**20
_CONNECTIONS = 32
_WRITER = "datamon-writer"
"""The metadata field that tells a writer whose answer was lost that the stored object is its own."""
_DENIED = (401, 403)
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_RANGE_NOT_SATISFIABLE = 416
_CONTENT_TYPE = "application/octet-stream"


class GcsBackend:
    """Bytes by key in `bucket`, below `prefix`. The bucket must exist.

    `credential` is a service account's key file; without one the library finds the credentials of the machine or pod.
    The client is made at the first call. Calls that fail for a passing reason are tried again by the library, for at most
    two minutes; a failed precondition never is.
    """

    def __init__(self, bucket: str, prefix: str = "", credential: Path | None = None) -> None:
        self._name = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._credential = credential
        self._lock = threading.Lock()
        self._opened: Bucket | None = None

    @property
    def url(self) -> str:
        """See `Backend`: `gs://bucket/prefix`."""
        return f"gs://{self._name}/{self._prefix}".rstrip("/")

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return _PACK_BYTES

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        blob = self._blob(key)
        if span is not None and span.length == 0 and self.has(key):
            return b""
        start, end = _range(span)
        try:
            with self._errors("read", key):
                content: bytes = blob.download_as_bytes(start=start, end=end, raw_download=True)
        except _PastEnd:
            return b""
        return content if span is None else content[: span.length]

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        blob = self._blob(key)
        with self._errors("write", key):
            blob.upload_from_string(joined(content), content_type=_CONTENT_TYPE, checksum="crc32c")

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`, by the precondition that generation 0 is there. The answer to a create that won can be lost, and
        the library's own second try is then refused: so a refusal is believed only after the writer was read back."""
        writer = os.urandom(16).hex()
        blob = self._blob(key)
        blob.metadata = {_WRITER: writer}
        try:
            with self._errors("write", key):
                blob.upload_from_string(content, content_type=_CONTENT_TYPE, checksum="crc32c", if_generation_match=0)
        except _Refused:
            return self._writer(key) == writer
        except Unavailable:
            if self._writer(key) == writer:
                return True
            raise
        return True

    def has(self, key: str) -> bool:
        """See `Backend`."""
        blob = self._blob(key)
        with self._errors("read", key):
            return bool(blob.exists())

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. Pages of 1,000 keys are asked for as they are needed."""
        return self._pages(check_prefix(prefix), after)

    def delete(self, key: str) -> None:
        """See `Backend`."""
        blob = self._blob(key)
        try:
            with self._errors("delete", key):
                blob.delete()
        except NotFound:
            return

    def _pages(self, prefix: str, after: str) -> Iterator[Stored]:
        with self._errors("list", prefix):
            found = self._bucket().list_blobs(
                prefix=self._prefix + prefix,
                start_offset=self._prefix + after if after else None,
                fields="items(name,size),nextPageToken",
            )
            for blob in found:
                key = blob.name[len(self._prefix) :]
                if key > after and is_key(key):
                    yield Stored(key, int(blob.size))

    def _writer(self, key: str) -> str | None:
        """Who made the object under `key`, or None when nothing is there."""
        blob = self._blob(key)
        try:
            with self._errors("read", key):
                blob.reload()
        except NotFound:
            return None
        return (blob.metadata or {}).get(_WRITER)

    def _blob(self, key: str) -> "Blob":
        return self._bucket().blob(self._prefix + check_key(key))

    def _bucket(self) -> "Bucket":
        with self._lock:
            if self._opened is None:
                with self._errors("open", "the bucket"):
                    self._opened = _client(self._credential).bucket(self._name)
            return self._opened

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        """Turns what the library raises into errors of ours, and into `_Refused` and `_PastEnd`."""
        try:
            yield
        except _failures() as error:
            status = getattr(error, "code", None)
            if status == _PRECONDITION_FAILED:
                raise _Refused from error
            if status == _RANGE_NOT_SATISFIABLE:
                raise _PastEnd from error
            raise self._translated(error, status, verb, key) from error

    def _translated(self, error: Exception, status: object, verb: str, key: str) -> DatamonError:
        if status == _NOT_FOUND and verb in ("read", "delete"):
            return key_not_found(key, self.url)
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        facts = {"url": self.url, "key": key}
        if status == _NOT_FOUND:
            return Unavailable(
                "backend-unavailable", f"there is no bucket {self._name}; create it, or name another", **facts
            )
        if status in _DENIED or isinstance(error, _credential_failures()):
            code = "unreadable" if verb in ("read", "list", "open") else "unwritable"
            return Denied(
                code, f"{self.url} refuses to {verb} {key} ({reason}); check the credential and its rights", **facts
            )
        return Unavailable(
            "backend-unavailable", f"cannot {verb} {key} in {self.url} ({reason}); try again later", **facts
        )


class ForeignBucket:
    """What others put into `bucket`, below `prefix`, by any name (see `Foreign`); a bucket with versioning keeps versions."""

    def __init__(self, bucket: str, prefix: str = "", credential: Path | None = None) -> None:
        self._within = GcsBackend(bucket, prefix, credential)

    @property
    def url(self) -> str:
        """See `Foreign`: `gs://bucket/prefix`."""
        return self._within.url

    @property
    def is_far(self) -> bool:
        """See `Foreign`."""
        return True

    def check(self) -> None:
        """See `Foreign`."""
        next(self.names(""), None)

    def names(self, prefix: str) -> Iterator[str]:
        """See `Foreign`."""
        return (blob.name for blob in self._listed(prefix, "items(name),nextPageToken"))

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Foreign`."""
        # The text "true", not True: the library writes that as "True", which not every server takes for it.
        fields = "items(name,generation,timeDeleted),nextPageToken"
        found = [(blob.name, int(blob.generation), blob.time_deleted) for blob in self._listed(prefix, fields, "true")]
        found.sort()
        newest = {name: generation for name, generation, _ in found}
        for name, generation, deleted in found:
            is_gone = generation == newest[name] and deleted is not None
            yield Version(name, generation, int(deleted.timestamp() * 10**6) * 1000 if is_gone else None)

    def read(self, name: str, number: int | None = None) -> bytes:
        """See `Foreign`."""
        within = self._within
        blob = within._bucket().blob(within._prefix + name, generation=number)
        with within._errors("read", name):
            content: bytes = blob.download_as_bytes(raw_download=True)
        return content

    def _listed(self, prefix: str, fields: str, versions: str | None = None) -> Iterator["Blob"]:
        """What lies below `prefix`, named as it is within the place."""
        within = self._within
        with within._errors("list", prefix):
            for blob in within._bucket().list_blobs(prefix=within._prefix + prefix, versions=versions, fields=fields):
                blob.name = blob.name[len(within._prefix) :]
                yield blob


class _Refused(Exception):  # noqa: N818 (not an error: the other outcome)
    """The precondition did not hold."""


class _PastEnd(Exception):  # noqa: N818 (not an error: the other outcome)
    """The range begins at or after the end."""


def _range(span: Span | None) -> tuple[int | None, int | None]:
    """First and last byte as the library wants them; from the end only the first can be told."""
    if span is None:
        return None, None
    if span.start < 0:
        return span.start, None
    return span.start, span.start + span.length - 1


# The library takes 0.4 s to import, which nobody without a bucket shall wait for: hence the imports below.


def _client(credential: Path | None) -> Any:
    from google.cloud import storage
    from requests.adapters import HTTPAdapter

    # project=None: nothing here needs one, and without it the library would insist on finding one.
    client = (
        storage.Client(project=None)
        if credential is None
        else storage.Client.from_service_account_json(str(credential), project=None)
    )
    # For traces that nobody here takes, the library asks after the bucket in threads of its own, at first and whenever a key is
    # absent: requests that nobody counts, and threads with which this process could not fork.
    client._bucket_metadata_cache = None
    client._http.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    client._http.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    return client


@cache
def _credential_failures() -> tuple[type[Exception], ...]:
    from google.auth.exceptions import DefaultCredentialsError, MalformedError, RefreshError

    return (DefaultCredentialsError, MalformedError, RefreshError, FileNotFoundError, PermissionError, ValueError)


@cache
def _failures() -> tuple[type[Exception], ...]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    # OSError: requests' errors and broken connections. ValueError: a key file that is none.
    return (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, OSError, ValueError)
