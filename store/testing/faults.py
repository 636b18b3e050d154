"""A backend that fails where a test says, in the ways that real places fail."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from datamon.errors import Unavailable
from datamon.store.backend import Appending, Backend, Content, Span, Stored

FaultKind = Literal["before", "after", "full", "killed-before", "killed-after"]
"""before: the call does nothing and raises. after: it is done, and its answer is lost. full: no room; an `append` leaves half.
killed-…: the process ends there: this call and all later ones raise `Killed`."""

_Answer = TypeVar("_Answer")


class Killed(BaseException):
    """Stands for the end of the process: no `except` clause of ours may catch it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at call `number`, counted from 1 over the methods that a `FaultyBackend` counts."""

    number: int
    kind: FaultKind


class FaultyBackend:
    """`backend` with faults. It counts every call, or only the `methods` given; `calls` lists those counted.

    It is `Appending` when the backend is.
    """

    def __init__(self, backend: Backend, *faults: Fault, methods: frozenset[str] | None = None) -> None:
        self._backend = backend
        self._faults = {fault.number: fault.kind for fault in faults}
        self._methods = methods
        self._dead = False
        self._lock = threading.Lock()
        self.calls: list[str] = []
        if isinstance(backend, Appending):
            self.append = self._append

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
        return self._call("get", key, lambda: self._backend.get(key, span))

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._call("put", key, lambda: self._backend.put(key, content))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        return self._call("put_if_absent", key, lambda: self._backend.put_if_absent(key, content))

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._call("has", key, lambda: self._backend.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return self._call("list", prefix, lambda: self._backend.list(prefix, after))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._call("delete", key, lambda: self._backend.delete(key))

    def _append(self, key: str, content: bytes) -> None:
        backend = self._backend
        if not isinstance(backend, Appending):
            raise TypeError(f"{backend.url} cannot append")
        torn = content[: len(content) // 2]
        self._call("append", key, lambda: backend.append(key, content), lambda: backend.append(key, torn))

    def _call(
        self, method: str, key: str, call: Callable[[], _Answer], when_full: Callable[[], None] | None = None
    ) -> _Answer:
        kind = self._next_fault(method, key)
        if kind == "full":
            if when_full is not None:
                when_full()
            raise Unavailable("disk-full", f"no room is left in {self.url}; make room there and try again", key=key)
        if kind == "killed-before":
            raise Killed
        if kind == "before":
            raise self._lost(key)
        answer = call()
        if kind == "killed-after":
            raise Killed
        if kind == "after":
            raise self._lost(key)
        return answer

    def _next_fault(self, method: str, key: str) -> FaultKind | None:
        with self._lock:
            if self._dead:
                return "killed-before"
            if self._methods is not None and method not in self._methods:
                return None
            self.calls.append(f"{method} {key}")
            kind = self._faults.get(len(self.calls))
            self._dead = kind in ("killed-before", "killed-after")
            return kind

    def _lost(self, key: str) -> Unavailable:
        return Unavailable("backend-unavailable", f"{self.url} does not answer; try again later", key=key)


WRITES = frozenset({"put", "put_if_absent", "append", "delete"})
"""The methods that change what is kept."""
