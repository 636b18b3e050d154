"""A backend in memory: for tests, examples and doctests. It is gone with the process."""

import threading
from collections.abc import Iterator

from datamon.store.backend import Content, Span, Stored, joined
from datamon.store.backend.keys import check_key, check_prefix, key_not_found

_PACK_BYTES = 16 * 2**20


class MemoryBackend:
    """Bytes by key in one dictionary; what `Backend` says, within this process."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """See `Backend`."""
        return "memory://"

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return _PACK_BYTES

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        content = self._kept.get(check_key(key))
        if content is None:
            raise key_not_found(key, self.url)
        if span is None:
            return content
        start = span.start if span.start >= 0 else max(0, len(content) + span.start)
        return content[start : start + span.length]

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        with self._lock:
            self._kept[check_key(key)] = bytes(joined(content))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        with self._lock:
            if check_key(key) in self._kept:
                return False
            self._kept[key] = bytes(content)
            return True

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return check_key(key) in self._kept

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. The listing is of the moment of the call."""
        check_prefix(prefix)
        with self._lock:
            found = [
                Stored(key, len(kept)) for key, kept in self._kept.items() if key.startswith(prefix) and key > after
            ]
        return iter(sorted(found, key=lambda stored: stored.key))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        with self._lock:
            self._kept.pop(check_key(key), None)
