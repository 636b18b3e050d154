"""Google Cloud Storage as a source, by way of google-cloud-storage, with the credentials of the machine or pod."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from datamon.store.external.failures import changed, check_size, gone, refused, unreachable
from datamon.store.external.keys import found_by_key, in_pieces
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url

if TYPE_CHECKING:
    from google.cloud.storage import Blob

_FIELDS = "items(name,size,generation,updated),nextPageToken"


class GoogleBuckets:
    """See `Source`. Bytes are read as they are stored, by their generation; calls that fail for a passing reason are tried again
    by the library. Without credentials what is public can be read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def find(self, url: Url) -> Iterator[Listed]:
        """See `Source`."""
        return found_by_key(url, self.status, self._under)

    def status(self, url: Url) -> Status:
        """See `Source`."""
        with _failures(url):
            blob = self._blob(url)
            blob.reload()
            return _status(blob)

    def read(self, url: Url, at: Status, begin: int, end: int) -> bytes:
        """See `Source`."""
        if begin == end:
            check_size(url, at, self.status(url))
            return b""
        with _failures(url, pinned=at.generation is not None):
            content: bytes = self._blob(url, at).download_as_bytes(start=begin, end=end - 1, raw_download=True)
        if len(content) != end - begin:
            raise changed(url, "it has another size")
        return content

    def stream(self, url: Url, at: Status) -> Iterator[bytes]:
        """See `Source`."""
        return in_pieces(partial(self.read, url, at), at)

    def _under(self, url: Url, prefix: str) -> Iterator[tuple[str, Status]]:
        with _failures(url):
            found = self._opened().bucket(url.host).list_blobs(prefix=prefix, fields=_FIELDS)
            for blob in found:
                yield blob.name, _status(blob)

    def _blob(self, url: Url, at: Status | None = None) -> "Blob":
        generation = int(at.generation) if at is not None and at.generation is not None else None
        return self._opened().bucket(url.host).blob(url.path, generation=generation)

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _client()
            return self._client


def _status(blob: "Blob") -> Status:
    generation = str(blob.generation)
    updated = blob.updated
    mtime_ns = int(updated.timestamp() * 1_000_000) * 1_000 if updated is not None else 0
    return Status(int(blob.size or 0), mtime_ns, generation=generation, proof=generation)


# The library takes 0.4 s to import, which nobody without a bucket shall wait for: hence the imports below.


def _client() -> Any:
    from google.auth.exceptions import DefaultCredentialsError

    from datamon.store.backend.gcs_client import library_client

    try:
        return library_client(None)
    except DefaultCredentialsError:
        return library_client(None, anonymous=True)


@contextmanager
def _failures(url: Url, *, pinned: bool = False) -> Iterator[None]:
    """Turns what the library raises into errors of ours. When a generation that was asked for is gone, the object has changed or
    is gone: whoever looks again learns which."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, OSError, ValueError) as error:
        status = getattr(error, "code", None)
        if status in (404, 412) and pinned:
            raise changed(url, "its generation is not there any more") from error
        if status == 416:
            raise changed(url, "it has become shorter") from error
        if status == 404:
            raise gone(url) from error
        if status in (401, 403) or isinstance(error, GoogleAuthError):
            raise refused(url, str(error).partition("\n")[0][:200]) from error
        raise unreachable(url, error) from error
