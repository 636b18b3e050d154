"""A backend over another: reads see both, writes go to the upper one only. So a repair can be tried out."""

import heapq
from collections.abc import Iterator

from datamon.errors import NotFound
from datamon.store.backend import Appending, Backend, Content, Span, Stored


class Overlay:
    """`lower`, with what is written to `upper` in front of it. Nothing is ever written to `lower`. It is `Appending` when `lower`
    is: what is appended to is copied to `upper` first."""

    def __init__(self, lower: Backend, upper: Backend) -> None:
        self._lower = lower
        self._upper = upper
        self._deleted: set[str] = set()
        if isinstance(lower, Appending):
            self.append = self._append

    @property
    def url(self) -> str:
        """See `Backend`: that of the lower one."""
        return self._lower.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._lower.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        try:
            return self._upper.get(key, span)
        except NotFound:
            if key in self._deleted:
                raise
            return self._lower.get(key, span)

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._upper.put(key, content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`. Only this process writes here."""
        if self.has(key):
            return False
        return self._upper.put_if_absent(key, content)

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._upper.has(key) or (key not in self._deleted and self._lower.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        upper = {stored.key: stored for stored in self._upper.list(prefix, after)}
        hidden = self._deleted | upper.keys()
        lower = (stored for stored in self._lower.list(prefix, after) if stored.key not in hidden)
        return heapq.merge(lower, upper.values(), key=lambda stored: stored.key)

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._upper.delete(key)
        self._deleted.add(key)

    def _append(self, key: str, content: bytes) -> None:
        self._upper.put(key, (self.get(key) if self.has(key) else b"") + content)
