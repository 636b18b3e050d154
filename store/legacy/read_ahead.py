"""Reads of an old store by several threads, ahead of whoever takes what they give, in the order asked."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from datamon.errors import Corrupt, NotFound
from datamon.store.workers import INLINE_BYTES, Outcome, Workers, core_workers

_FAR_READERS = 16
_MOST_AHEAD_BYTES = 32 * 2**20
_MOST_AHEAD = 64
"""So many reads, and so many bytes, may be under way or wait to be taken."""

Made = TypeVar("Made")
Asked = tuple[int, Callable[[], Made]]
"""How many bytes a read takes, roughly, and what reads and verifies them."""


class Readers:
    """The threads: many where each read waits for an answer from elsewhere, few on a disk, where hashing takes most time.
    For one thread that asks."""

    def __init__(self, *, is_far: bool) -> None:
        self._least_bytes = INLINE_BYTES if is_far else 0
        self._workers = Workers(_FAR_READERS if is_far else core_workers())

    def each(self, asked: Iterable[Asked[Made]]) -> Iterator[Made | Corrupt]:
        """What each read gives, in their order; where it finds damage or nothing, the error that says so. May be asked again
        while it is taken from. Raises Denied, Unavailable."""
        pending: deque[tuple[int, Outcome[Made | Corrupt]]] = deque()
        ahead_bytes = 0
        try:
            for size_bytes, read in asked:
                outcome = self._workers.submit(max(size_bytes, self._least_bytes), partial(_tried, read))
                pending.append((size_bytes, outcome))
                ahead_bytes += size_bytes
                while len(pending) > _MOST_AHEAD or (ahead_bytes > _MOST_AHEAD_BYTES and len(pending) > 1):
                    size_bytes, outcome = pending.popleft()
                    ahead_bytes -= size_bytes
                    yield outcome.result()
            while pending:
                yield pending.popleft()[1].result()
        finally:
            for _, outcome in pending:
                outcome.cancel()

    def stop(self) -> None:
        """No thread is left; what was begun is done."""
        self._workers.stop()


def _tried(read: Callable[[], Made]) -> Made | Corrupt:
    try:
        return read()
    except Corrupt as error:
        return error
    except NotFound as error:
        missing = f"{error.message.partition(';')[0]}; restore it from a copy"
        return Corrupt("missing-bytes", missing, **error.facts)
