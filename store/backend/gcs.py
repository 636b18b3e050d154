"""A backend in a Google Cloud Storage bucket (docs/operations.md, "A store for a team on Google Cloud Storage")."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.errors import DatamonError, Denied, NotFound, Unavailable
from datamon.store.backend import Content, Span, Stored
from datamon.store.backend.foreign import Version
from datamon.store.backend.keys import check_key, check_prefix, is_key, key_not_found
from datamon.store.backend.patience import Patience

if TYPE_CHECKING:
    from datamon.store.backend.gcs_client import GcsClient

_PACK_BYTES = 16 * 2**20
_DENIED = (401, 403)
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_RANGE_NOT_SATISFIABLE = 416


class GcsBackend:
    """Bytes by key in `bucket`, below `prefix`. The bucket must exist.

    `credential` is a service account's key file; without one the library finds the credentials of the machine or pod.
    The client is made at the first call in a process: one that was forked shares no connection with its parent. Every call is one
    request (`put_if_absent` reads the winner back where an answer was lost or refused, `list` asks for each 1,000 keys), tried
    again for a passing reason as long as `patience` has it. That is safe for each: reads change nothing; `put` gives a key the
    same bytes; `put_if_absent` has the precondition that nothing is there, and a failed precondition is never tried again;
    what was deleted may be deleted again.
    """

    def __init__(
        self, bucket: str, prefix: str = "", credential: Path | None = None, patience: Patience | None = None
    ) -> None:
        self._name = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._credential = credential
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._client: GcsClient | None = None
        self._inherited: list[GcsClient] = []

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
        name = self._full(key)
        if span is not None and span.length == 0:
            if self.has(key):
                return b""
            raise key_not_found(key, self.url)
        try:
            with self._errors("read", key):
                return self._opened().download(name, span)
        except _PastEnd:
            return b""

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        name = self._full(key)
        pieces = [content] if isinstance(content, bytes) else content
        with self._errors("write", key):
            self._opened().upload(name, pieces)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`, by the precondition that generation 0 is there. The answer to a create that won can be lost, and
        the second try is then refused: so a refusal is believed only after the writer was read back."""
        writer = os.urandom(16).hex()
        name = self._full(key)
        try:
            with self._errors("write", key):
                self._opened().upload(name, [content], writer)
        except _Refused:
            return self._writer(key) == writer
        except Unavailable:
            if self._writer(key) == writer:
                return True
            raise
        return True

    def has(self, key: str) -> bool:
        """See `Backend`."""
        name = self._full(key)
        with self._errors("read", key):
            return self._opened().has(name)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. Pages of 1,000 keys are asked for as they are needed."""
        return self._pages(check_prefix(prefix), after)

    def delete(self, key: str) -> None:
        """See `Backend`."""
        name = self._full(key)
        try:
            with self._errors("delete", key):
                self._opened().delete(name)
        except NotFound:
            return

    def close(self) -> None:
        """No connection of this process is open; the next call opens one."""
        with self._lock:
            if self._client is not None and self._client.process == os.getpid():
                self._client.close()

    def _pages(self, prefix: str, after: str) -> Iterator[Stored]:
        with self._errors("list", prefix):
            for name, size_bytes in self._opened().list(self._prefix + prefix, self._prefix + after if after else None):
                key = name[len(self._prefix) :]
                if key > after and is_key(key):
                    yield Stored(key, size_bytes)

    def _writer(self, key: str) -> str | None:
        """Who made the object under `key`, or None when nothing is there."""
        try:
            with self._errors("read", key):
                return self._opened().writer(self._full(key))
        except NotFound:
            return None

    def _full(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _opened(self) -> "GcsClient":
        with self._lock:
            if self._client is None or self._client.process != os.getpid():
                if self._client is not None:
                    self._inherited.append(self._client)  # never closed from here: its connections are the parent's
                # The library takes 0.4 s to import, which nobody without a bucket shall wait for.
                from datamon.store.backend.gcs_client import GcsClient

                self._client = GcsClient(self._name, self._credential, self._patience)
            return self._client

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        """Turns what the library raises into errors of ours, and into `_Refused` and `_PastEnd`."""
        from datamon.store.backend.gcs_client import FAILURES, status_of  # as in `_opened`

        try:
            yield
        except FAILURES as error:
            status = status_of(error)
            if status == _PRECONDITION_FAILED:
                raise _Refused from error
            if status == _RANGE_NOT_SATISFIABLE:
                raise _PastEnd from error
            raise self._translated(error, status, verb, key) from error

    def _translated(self, error: Exception, status: int | None, verb: str, key: str) -> DatamonError:
        from datamon.store.backend.gcs_client import CREDENTIAL_FAILURES  # as in `_opened`

        if status == _NOT_FOUND and verb in ("read", "delete"):
            return key_not_found(key, self.url)
        reason = str(error).partition("\n")[0][:400] or type(error).__name__
        facts = {"url": self.url, "key": key}
        if status == _NOT_FOUND:
            return Unavailable(
                "backend-unavailable", f"there is no bucket {self._name}; create it, or name another", **facts
            )
        if status in _DENIED or isinstance(error, CREDENTIAL_FAILURES):
            code = "unreadable" if verb in ("read", "list") else "unwritable"
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
        within = self._within
        with within._errors("list", prefix):
            for name, _ in within._opened().list(within._prefix + prefix, None):
                yield name[len(within._prefix) :]

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Foreign`."""
        within = self._within
        with within._errors("list", prefix):
            found = sorted(within._opened().versions(within._prefix + prefix))
        newest = {name: generation for name, generation, _ in found}
        for name, generation, deleted_ns in found:
            is_gone = generation == newest[name]
            yield Version(name[len(within._prefix) :], generation, deleted_ns if is_gone else None)

    def read(self, name: str, number: int | None = None) -> bytes:
        """See `Foreign`."""
        within = self._within
        with within._errors("read", name):
            return within._opened().download(within._prefix + name, None, number)


class _Refused(Exception):  # noqa: N818 (not an error: the other outcome)
    """The precondition did not hold."""


class _PastEnd(Exception):  # noqa: N818 (not an error: the other outcome)
    """The range begins at or after the end."""
