"""A backend that counts what is asked of it."""

import threading
from collections import Counter
from collections.abc import Iterator

from datamon.store.backend import Backend, Content, Span, Stored, joined


class CountingBackend:
    """`backend`, counted: `calls` by method, `put_bytes` and `got_bytes` in all. It never appends, as far places do not."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.put_bytes = 0
        self.got_bytes = 0

    @property
    def url(self) -> str:
        """See `Backend`."""
        return self._backend.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._backend.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        content = self._backend.get(key, span)
        self._count("get", got=len(content))
        return content

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._count("put", put=len(joined(content)))
        self._backend.put(key, content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        self._count("put_if_absent", put=len(content))
        return self._backend.put_if_absent(key, content)

    def has(self, key: str) -> bool:
        """See `Backend`."""
        self._count("has")
        return self._backend.has(key)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        self._count("list")
        return self._backend.list(prefix, after)

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._count("delete")
        self._backend.delete(key)

    def _count(self, method: str, put: int = 0, got: int = 0) -> None:
        with self._lock:
            self.calls[method] += 1
            self.put_bytes += put
            self.got_bytes += got
