"""A side of a mirrored store that can be lost for a while, or for good."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from datamon.errors import Unavailable
from datamon.store.backend import Backend, Content, Span, Stored

_Answer = TypeVar("_Answer")


class LostSide:
    """`backend`, which cannot be reached while `is_lost`. `before` is called before each call with the method, a space and the
    key; `calls` lists these."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.is_lost = False
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    @property
    def url(self) -> str:
        """See `Backend`."""
        return self.backend.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self.backend.pack_bytes

    def forget(self) -> None:
        """Everything that it kept is gone."""
        for stored in list(self.backend.list("")):
            self.backend.delete(stored.key)

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        return self._call("get", key, lambda: self.backend.get(key, span))

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._call("put", key, lambda: self.backend.put(key, content))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        return self._call("put_if_absent", key, lambda: self.backend.put_if_absent(key, content))

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._call("has", key, lambda: self.backend.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return self._call("list", prefix, lambda: self.backend.list(prefix, after))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._call("delete", key, lambda: self.backend.delete(key))

    def _call(self, method: str, key: str, call: Callable[[], _Answer]) -> _Answer:
        self.calls.append(f"{method} {key}")
        self.before(self.calls[-1])
        if self.is_lost:
            raise Unavailable("backend-unavailable", f"{self.url} does not answer; try again later", key=key)
        return call()
