"""From a place, as people write it, to its backend."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from datamon.errors import Invalid
from datamon.store.backend import Backend
from datamon.store.backend.caching import CachingBackend, DiskCache
from datamon.store.backend.foreign import Foreign, ForeignDirectory
from datamon.store.backend.gcs import ForeignBucket, GcsBackend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.patience import Patience

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def open_backend(
    place: str, *, credential: Path | None = None, cache: DiskCache | None = None, patience: Patience | None = None
) -> Backend:
    """The backend at `place`; nothing is made or asked there yet.

    A path starts with `/`, `.` or `~` or is a `file://` URL; a bare name (with `/prefix`, if wanted) or a `gs://` URL is a
    Google Cloud Storage bucket, for which `credential` is a service account's key file; `memory://` is a new empty
    backend in memory. What is read from a bucket is kept in `cache`, if there is one, and a bucket is waited for as `patience`
    says. Raises Invalid (`bad-config`) for anything else.
    """
    if place.startswith(("/", ".", "~")):
        return LocalBackend(Path(place).expanduser())
    scheme, separator, rest = place.partition("://")
    if not separator:
        return _cached(_bucket(place, place, credential, patience), cache)
    if scheme == "gs":
        return _cached(_bucket(rest, place, credential, patience), cache)
    if scheme == "file":
        return LocalBackend(_file_path(place))
    if scheme == "memory":
        return MemoryBackend()
    raise _refused(place)


def open_foreign(place: str, *, credential: Path | None = None) -> Foreign:
    """What others put into `place`, said as for `open_backend`, to be read by any name. Raises Invalid (`bad-config`), and
    NotFound (`path-not-found`), Denied or Unavailable when there is no such place or it cannot be asked."""
    scheme, separator, rest = place.partition("://")
    found: Foreign
    if place.startswith(("/", ".", "~")):
        found = ForeignDirectory(Path(place).expanduser())
    elif separator and scheme == "file":
        found = ForeignDirectory(_file_path(place))
    elif not separator or scheme == "gs":
        bucket, prefix = _bucket_and_prefix(rest if separator else place, place)
        found = ForeignBucket(bucket, prefix, credential)
    else:
        raise _refused(place)
    found.check()
    return found


def _bucket(text: str, place: str, credential: Path | None, patience: Patience | None) -> Backend:
    bucket, prefix = _bucket_and_prefix(text, place)
    return GcsBackend(bucket, prefix, credential, patience)


def _bucket_and_prefix(text: str, place: str) -> tuple[str, str]:
    bucket, _, prefix = text.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise _refused(place)
    return bucket, prefix.strip("/")


def _cached(backend: Backend, cache: DiskCache | None) -> Backend:
    return backend if cache is None else CachingBackend(backend, cache)


def _file_path(place: str) -> Path:
    parts = urlsplit(place)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or parts.query or parts.fragment:
        raise _refused(place)
    return Path(path)


def _refused(place: str) -> Invalid:
    return Invalid(
        "bad-config",
        f"{place!r} is no place for a store; give a path that starts with '/', '.' or '~', a bucket's name, "
        "or a file:// or gs:// URL",
        place=place,
    )
