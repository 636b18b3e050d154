"""Threads that work for one thread: started when there is enough to do, and the results taken in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

INLINE_BYTES = 2 * 2**20
"""So little is done at once by the thread that asks: most sessions keep no more, and threads would only cost."""
_MOST_WORKERS = 8

Made = TypeVar("Made")
MadeOut_co = TypeVar("MadeOut_co", covariant=True)


def core_workers() -> int:
    """How many threads are worth it for work that takes a core each."""
    return min(_MOST_WORKERS, os.cpu_count() or 1)


class Outcome(Protocol[MadeOut_co]):
    """What comes of work that was submitted: a `Future` or like one."""

    def result(self) -> MadeOut_co:
        """What the work returned, when it has; raises what it raised."""

    def done(self) -> bool:
        """Whether `result` would return at once."""

    def cancel(self) -> bool:
        """The work is not begun any more, if it has not been."""


class _Done(Generic[Made]):
    def __init__(self, made: Made) -> None:
        self._made = made

    def result(self) -> Made:
        return self._made

    def done(self) -> bool:
        return True

    def cancel(self) -> bool:
        return False


class Workers:
    """At most `count` threads. Made for one thread that submits."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._asked_bytes = 0
        self._threads: ThreadPoolExecutor | None = None

    def submit(self, size_bytes: int, work: Callable[[], Made]) -> Outcome[Made]:
        """Begins `work`, which goes through so many bytes; the first few of all are gone through before this returns, and then
        what `work` raises comes from here."""
        self._asked_bytes += size_bytes
        if self._threads is None:
            if self._asked_bytes < INLINE_BYTES:
                return _Done(work())
            # Imported at first use: 4 ms that small sessions need not pay.
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="workers")
        return self._threads.submit(work)

    def stop(self) -> None:
        """What was submitted and not cancelled is done, and no thread is left. More can be submitted again."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()


def ahead(workers: Workers, size_bytes: int, made: Iterator[Made]) -> Iterator[Made]:
    """What `made` gives, each of so many bytes, the next one being made by a worker while one is used. Nothing of `made` runs
    after the end, or after this is closed."""
    pending = workers.submit(size_bytes, partial(next, made, None))
    try:
        while (found := pending.result()) is not None:
            pending = workers.submit(size_bytes, partial(next, made, None))
            yield found
    finally:
        if not pending.cancel():
            with suppress(Exception):
                pending.result()


class _Turn(NamedTuple):
    size_bytes: int
    is_done: Callable[[], bool]
    finish: Callable[[], object]
    cancel: Callable[[], object]


class Line:
    """Work by many threads whose results one thread takes in the order in which it asked for them. At most `most_bytes` of what
    is worked on, and one piece of work more, are under way at a time: then asking waits."""

    def __init__(self, workers: Workers, most_bytes: int) -> None:
        self._workers = workers
        self._most_bytes = most_bytes
        self._bytes = 0
        self._turns: deque[_Turn] = deque()

    def push(self, size_bytes: int, work: Callable[[], Made], then: Callable[[Made], object]) -> None:
        """A worker does `work` on so many bytes; `then` gets what it returned, in this thread, in its turn: now, or in a later
        call. Raises what any `work` or `then` raised whose turn came."""
        outcome = self._workers.submit(size_bytes, work)
        self._bytes += size_bytes
        self._turns.append(_Turn(size_bytes, outcome.done, lambda: then(outcome.result()), outcome.cancel))
        self._advance()

    def follow(self, then: Callable[[], object], size_bytes: int = 0) -> None:
        """`then`, which needs so many bytes until then, is called, in this thread, in its turn. Raises as `push`."""
        if self._turns:
            self._turns.append(_Turn(size_bytes, lambda: True, then, lambda: None))
            self._bytes += size_bytes
            self._advance()
        else:
            then()

    def take_turn(self) -> None:
        """The next turn has come. Raises as `push`, and IndexError when there is none."""
        turn = self._turns.popleft()
        self._bytes -= turn.size_bytes
        turn.finish()

    def drain(self) -> None:
        """Every turn has come. Raises as `push`."""
        while self._turns:
            self.take_turn()

    def drop(self) -> None:
        """No turn comes any more, and what was not begun is not done."""
        while self._turns:
            self._turns.popleft().cancel()
        self._bytes = 0

    def _advance(self) -> None:
        while self._turns and (self._bytes > self._most_bytes or self._turns[0].is_done()):
            self.take_turn()
