"""Processes that take turns: each call to a backend waits until the test lets it go on, so that the test says who is next."""

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from datamon.store.backend import Content, Span, Stored
from datamon.store.backend.memory import MemoryBackend
from datamon.store.testing.faults import Killed

_LONGEST_S = 60.0
_Answer = TypeVar("_Answer")


class GrowingMemory(MemoryBackend):
    """A backend in memory that can append: on one of these the store needs no threads of its own."""

    def append(self, key: str, content: bytes) -> None:
        """See `Appending`."""
        with self._lock:
            self._kept[key] = self._kept.get(key, b"") + content


class Turns:
    """The turns of one process. For one thread of the test and any number of the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._allowed = 0
        self._waiting = 0
        self._under_way = 0
        self._work: threading.Thread | None = None
        self._dead = False
        self.next_call = ""
        """The call before which the work stands: its method, a space and its key. Where several threads wait, the last one's."""

    @property
    def busy(self) -> bool:
        """Whether there is work that is not done."""
        return self._work is not None

    def begin(self, work: Callable[[], object]) -> None:
        """`work` has begun, in a thread of its own, and stands before its first call."""
        assert self._work is None
        self._work = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._work.start()
        with self._changed:
            self._settle()

    def go_on(self, calls: int) -> None:
        """The work has made so many calls more, or is done."""
        for _ in range(calls):
            with self._changed:
                if self._work is None:
                    return
                self._allowed = 1
                self._changed.notify_all()
                self._settle()

    def go_to(self, *calls: str) -> bool:
        """The work stands before a call whose text begins with one of `calls`, or is done; whether it stands there."""
        while self._work is not None and not self.next_call.startswith(calls):
            self.go_on(1)
        return self._work is not None

    def finish(self) -> None:
        """The work is done."""
        while self._work is not None:
            self.go_on(1000)

    def kill(self) -> None:
        """The process is no more: the call it waits in and every later one raise `Killed`."""
        with self._changed:
            self._dead = True
            self._changed.notify_all()
            self._settle()

    def call(self, name: str, call: Callable[[], _Answer]) -> _Answer:
        """What `call` gives, made when its turn has come; at once when the test itself acts for the process."""
        if self._work is None:
            return call()
        with self._changed:
            self._waiting += 1
            self.next_call = name
            self._changed.notify_all()
            try:
                self._await(lambda: self._allowed > 0 or self._dead)
            finally:
                self._waiting -= 1
            if self._dead:
                raise Killed
            self._allowed -= 1
            self._under_way += 1
        try:
            return call()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _settle(self) -> None:
        """Waits until the process can do nothing more by itself."""
        self._await(lambda: self._work is None or self._stands())

    def _stands(self) -> bool:
        return self._waiting > 0 and not self._allowed and not self._under_way and not self._dead

    def _await(self, condition: Callable[[], bool]) -> None:
        assert self._changed.wait_for(condition, _LONGEST_S), "a process of the test hangs"

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            with self._changed:
                self._work = None
                self._changed.notify_all()


class TurnBackend:
    """`backend` as a process sees it that takes turns."""

    def __init__(self, backend: GrowingMemory, turns: Turns) -> None:
        self._backend = backend
        self._turns = turns
        self.url = backend.url
        self.pack_bytes = backend.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        return self._turns.call(f"get {key}", lambda: self._backend.get(key, span))

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._turns.call(f"put {key}", lambda: self._backend.put(key, content))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        return self._turns.call(f"put_if_absent {key}", lambda: self._backend.put_if_absent(key, content))

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._turns.call(f"has {key}", lambda: self._backend.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return self._turns.call(f"list {prefix}", lambda: self._backend.list(prefix, after))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._turns.call(f"delete {key}", lambda: self._backend.delete(key))

    def append(self, key: str, content: bytes) -> None:
        """See `Appending`."""
        self._turns.call(f"append {key}", lambda: self._backend.append(key, content))
