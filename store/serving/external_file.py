"""A file that lies elsewhere, opened: its bytes are read where they lie, once they are known to be those that were linked."""

import threading
from dataclasses import replace

from datamon.errors import DatamonError
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry
from datamon.store.external.failures import changed
from datamon.store.external.restoring import named, verify_external
from datamon.store.external.source import Listed, Status
from datamon.store.external.sources import Sources
from datamon.store.external.target import decode_target
from datamon.store.hashing import Hashing
from datamon.store.serving.naming import naming
from datamon.store.serving.served_file import checked_range

_NAMES = ("generation", "version", "etag")
_NAMING_SCHEMES = frozenset({"gs", "s3"})
"""Where a name stands for bytes; what web servers call an ETag is often a time."""


class ExternalFile:
    """See `ServedFile`. Where a bucket says by a generation, a version or an ETag that the bytes are those that were linked, only
    the stretch is read, and the bucket is asked for the bytes of that name. Elsewhere the first read goes through all of them and
    compares their hash; later ones are refused once the place says that something was written since."""

    def __init__(self, bundle: Bundle, entry: TreeEntry, sources: Sources, hashing: Hashing) -> None:
        self.path = entry.path
        self.size = entry.size_bytes
        self._bundle = bundle
        self._entry = entry
        self._sources = sources
        self._hashing = hashing
        self._lock = threading.Lock()
        self._at: Status | None = None

    def read(self, offset: int, length: int) -> bytes:
        """See `ServedFile`."""
        begin, end = checked_range(offset, length, self.size)
        try:
            with naming(self._bundle, self.path):
                listed = decode_target(self._entry)
                at = self._proven(listed)
                if begin == end:
                    return b""
                if at.ranges:
                    return self._sources.of(listed.url).read(listed.url, at, begin, end)
                return self._from_stream(listed, at, begin, end)
        except DatamonError as error:
            error.facts.setdefault("path", self.path)
            raise named(error, self._bundle) from error

    def _proven(self, listed: Listed) -> Status:
        """What the place says of the bytes, which are those that were linked."""
        with self._lock:
            if self._at is None:
                now = self._sources.of(listed.url).status(listed.url)
                if now.size_bytes not in (None, self.size):
                    raise changed(listed.url, f"it has {now.size_bytes} bytes where it had {self.size}")
                if listed.url.scheme not in _NAMING_SCHEMES or not _same_name(listed.at, now):
                    verify_external(self._sources, self._entry, self._hashing)
                    after = self._sources.of(listed.url).status(listed.url)
                    if replace(after, proof=None) != replace(now, proof=None):  # which time alone may prove
                        raise changed(listed.url, "it was written to while it was read")
                self._at = now
            return self._at

    def _from_stream(self, listed: Listed, at: Status, begin: int, end: int) -> bytes:
        """From a place that gives bytes only from the first on."""
        pieces, place = [], 0
        for piece in self._sources.of(listed.url).stream(listed.url, at):
            pieces.append(piece[max(0, begin - place) : max(0, end - place)])
            place += len(piece)
            if place >= end:
                break
        found = b"".join(pieces)
        if len(found) < end - begin:
            raise changed(listed.url, f"it ends after {place} bytes where it had {self.size}")
        return found


def _same_name(linked: Status, now: Status) -> bool:
    """Whether both are the same bytes by a name that the place gives to bytes."""
    named_so = [(getattr(linked, name), getattr(now, name)) for name in _NAMES]
    return any(old is not None and old == new for old, new in named_so)
