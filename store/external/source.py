"""What a place of bytes must be able to do to be a source, and what it tells of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from datamon.store.external.urls import Url

FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Status:
    """What a place says of the bytes at a URL. `size_bytes` None: it does not say. `etag`, `generation` and `version` are its own
    names for these very bytes, where it has such. `proof` is a text that no other bytes at this URL have, None where nothing
    proves that. Without `ranges` the bytes come only from the first on."""

    size_bytes: int | None
    mtime_ns: int = 0
    etag: str | None = None
    generation: str | None = None
    version: str | None = None
    proof: str | None = None
    ranges: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """One thing that was found at a URL or beneath it: its path below that URL (`""`: it is that very URL), its own URL, what the
    place says of it. One that is a `directory` has no bytes."""

    path: str
    url: Url
    at: Status
    mode: int = FILE_MODE
    directory: bool = False


class Source(Protocol):
    """A place of bytes. Any thread may call it. All methods raise NotFound (`source-not-found`), Denied (`source-denied`),
    Unavailable (`source-unavailable`) after some attempts, Invalid (`missing-extra`, `unsupported-file`)."""

    def find(self, url: Url) -> Iterator[Listed]:
        """What is at the URL, or beneath it where it names a directory or a prefix; at least one. Names are as the place gives
        them: whoever makes files of them must check them."""

    def status(self, url: Url) -> Status:
        """What the place says of the bytes at the URL."""

    def read(self, url: Url, at: Status, begin: int, end: int) -> bytes:
        """Bytes `begin` to `end` of what `at` names, all of them. Raises Conflict (`source-changed`) when it is known that others
        lie there."""

    def stream(self, url: Url, at: Status) -> Iterator[bytes]:
        """All bytes of what `at` names, piece by piece. Raises as `read`."""
