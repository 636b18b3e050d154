"""A backend laid over another: what is written goes to the upper one, and the lower one never changes."""

import heapq
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from blake3 import blake3

from datamon.errors import NotFound
from datamon.store.backend import Backend, Content, Span, Stored
from datamon.store.backend.keys import check_key, check_prefix, key_not_found

_GONE = "overlay-gone/"
"""Below this the upper backend has a mark for each key of the lower one that was deleted: the BLAKE3 of the key."""


class OverlayBackend:
    """Reads show the upper backend's bytes where it has some under a key, else the lower one's, save those below a prefix in
    `hidden`. Any number of processes may lay the same upper one over the same lower one."""

    def __init__(self, upper: Backend, lower: Backend, hidden: tuple[str, ...] = ()) -> None:
        self._upper = upper
        self._lower = lower
        self._hidden = hidden

    @property
    def url(self) -> str:
        """See `Backend`."""
        return self._lower.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._upper.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        try:
            return self._upper.get(check_key(key), span)
        except NotFound:
            if not self._shows_lower(key):
                raise key_not_found(key, self.url) from None
            return self._lower.get(key, span)

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._upper.put(check_key(key), content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`. What is put below meanwhile is not seen any more: the upper one's wins."""
        if self._shows_lower(check_key(key)) and self._lower.has(key):
            return False
        return self._upper.put_if_absent(key, content)

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._upper.has(check_key(key)) or (self._shows_lower(key) and self._lower.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        check_prefix(prefix)
        gone = {stored.key for stored in self._upper.list(_GONE)}
        upper = (each for each in self._upper.list(prefix, after) if not each.key.startswith(_GONE))
        lower = (
            each
            for each in self._lower.list(prefix, after)
            if not self._hides(each.key) and _gone(each.key) not in gone
        )
        merged = heapq.merge(upper, lower, key=attrgetter("key"))  # of equal ones the upper's comes first
        return (next(same) for _, same in groupby(merged, key=attrgetter("key")))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        if self._shows_lower(check_key(key)) and self._lower.has(key):
            self._upper.put(_gone(key), b"")
        self._upper.delete(key)

    def _shows_lower(self, key: str) -> bool:
        return not self._hides(key) and not self._upper.has(_gone(key))

    def _hides(self, key: str) -> bool:
        return key.startswith(self._hidden) if self._hidden else False


def _gone(key: str) -> str:
    return _GONE + blake3(key.encode()).hexdigest()
