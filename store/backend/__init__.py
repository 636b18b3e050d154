"""Backends keep bytes by key. They know nothing of chunks, bundles or repos.

The docstrings of `Backend` are the contract; `datamon.store.testing.contract` tests it on every backend.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from datamon.errors import Corrupt

_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of stored bytes: `length` bytes from `start`. With `start` below zero it counts from the end."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing says of one key: its name and how many bytes it keeps."""

    key: str
    size_bytes: int


Content = bytes | list[bytes]
"""Bytes that are put, or pieces that follow each other: what is large is not to be copied into one."""


def joined(content: Content) -> bytes:
    """The bytes in one piece."""
    return content if isinstance(content, bytes) else b"".join(content)


class Backend(Protocol):
    """Bytes by key. A key is 1 to 900 characters of ASCII letters, digits, `.`, `_`, `-`, and `/` between parts;
    a part is never empty, `.` or `..`. Every method may be called from any thread.

    Every method raises Unavailable when the place cannot be reached or has no room, Denied when it refuses.
    """

    @property
    def url(self) -> str:
        """The place, as a person would write it."""

    @property
    def pack_bytes(self) -> int:
        """How large a stored object should grow, for the best use of this place."""

    def get(self, key: str, span: Span | None = None) -> bytes:
        """The bytes under `key`, or that stretch of them (shorter when the end comes first).
        Raises NotFound (`key-not-found`)."""

    def put(self, key: str, content: Content) -> None:
        """Keeps `content` under `key`, durable when this returns; a reader sees all of it or nothing. Meant for names that are
        unique or hashes: putting the same bytes again is harmless. On failure nothing is visible under a new key."""

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Keeps `content` under `key` if nothing is there, durable when this returns; True when this call won. Of any number of
        racers exactly one wins, and no reader ever sees an empty or partial object."""

    def has(self, key: str) -> bool:
        """Whether something is kept under `key`."""

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """All keys that begin with `prefix` and are greater than `after`, in order of their characters.
        What is put before the call and not deleted is listed."""

    def delete(self, key: str) -> None:
        """Nothing is kept under `key` afterwards; no error when nothing was."""


@runtime_checkable
class Appending(Protocol):
    """What a backend offers in addition when it can append: one growing object."""

    def append(self, key: str, content: bytes) -> None:
        """Adds `content` at the end of the object `key`, made if absent, in one piece among appenders of all processes;
        durable when this returns. After a crash or a full disk a part of it may stand there."""


@runtime_checkable
class Unhurried(Protocol):
    """What a backend offers in addition where an append need not be waited for."""

    def append_soon(self, key: str, content: bytes) -> None:
        """As `Appending.append`, but durable only a moment later, and at the latest when this process ends by itself. The end of
        the process, whatever its cause, does not take it away; a power cut may."""


@runtime_checkable
class Noting(Protocol):
    """What a backend offers in addition where it takes time until something is durable."""

    def note(self, key: str, content: bytes) -> None:
        """As `put`, but a power cut may take it away again, or leave other bytes; the end of this process does not."""

    def drop(self, key: str) -> None:
        """As `delete`, but after a power cut it may be there again."""


@runtime_checkable
class Settling(Protocol):
    """What a backend offers in addition when what another process put can be seen before it is durable."""

    def settle(self, key: str) -> None:
        """What was seen under `key` before this call, and under keys that differ only behind the last `/`, is durable."""


@runtime_checkable
class Sided(Protocol):
    """What a backend offers in addition that keeps everything on several sides."""

    @property
    def is_degraded(self) -> bool:
        """Whether writes are acknowledged that one side alone has, and deletions that one alone carried out."""

    def epoch(self) -> str:
        """Which side decides at present where they differ. When it changes, what was read of logs is to be read anew."""

    def copies(self, key: str, span: Span | None = None) -> Iterator[bytes]:
        """The bytes that each side has under `key`, or that stretch of them, one side after the other; a side that has none or
        does not answer is left out."""

    def through(self, wrap: Callable[["Backend"], "Backend"]) -> "Backend":
        """The same with each side as `wrap` makes it: what a side keeps may be written otherwise there, and read back."""


def get_decoded(backend: Backend, key: str, decode: Callable[[bytes], _Decoded], span: Span | None = None) -> _Decoded:
    """What `decode` makes of the bytes under `key`; where it finds them Corrupt, of the first copy that a side has right.
    Raises NotFound (`key-not-found`), and what `decode` raised first."""
    content = backend.get(key, span)
    try:
        return decode(content)
    except Corrupt:
        copied = decoded_copy(backend, key, decode, span)
        if copied is None:
            raise
        return copied


def decoded_copy(
    backend: Backend, key: str, decode: Callable[[bytes], _Decoded], span: Span | None = None
) -> _Decoded | None:
    """What `decode` makes of the first copy under `key` that a side has right; None where none has, or there are no sides."""
    for content in backend.copies(key, span) if isinstance(backend, Sided) else ():
        try:
            return decode(content)
        except Corrupt:
            continue
    return None


def put_note(backend: Backend, key: str, content: bytes) -> None:
    """`content` is kept under `key`, and may be gone after a power cut, where that takes less time."""
    if isinstance(backend, Noting):
        backend.note(key, content)
    else:
        backend.put(key, content)


def drop_note(backend: Backend, key: str) -> None:
    """Nothing is kept under `key`, but it may be again after a power cut, where that takes less time."""
    if isinstance(backend, Noting):
        backend.drop(key)
    else:
        backend.delete(key)


def has_durably(backend: Backend, key: str) -> bool:
    """Whether something is kept under `key`, and durable, so that it may be pointed at instead of being put again."""
    if not backend.has(key):
        return False
    if isinstance(backend, Settling):
        backend.settle(key)
    return True
