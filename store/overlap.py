"""Many calls whose requests to a far place overlap."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from datamon.store.backend import Appending, Backend

_UNDER_WAY = 16
"""Calls at one time. Each holds one segment of a manifest in memory, some 2 MB unpacked."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def overlapped(backend: Backend, call: Callable[[Given], Made], arguments: Iterable[Given]) -> Iterator[Made]:
    """What `call` makes of each argument, in their order; raises what a call raised in its place.

    A few calls run ahead of the one that is asked for, in threads. On a backend that appends they do not: it is a file system,
    where threads would only cost.
    """
    waiting = iter(arguments)
    first = list(islice(waiting, 2))
    if len(first) < 2 or isinstance(backend, Appending):
        yield from map(call, first)
        yield from map(call, waiting)
        return
    # Imported at first use: 4 ms that a start on a local store need not pay.
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(_UNDER_WAY, thread_name_prefix="overlap") as threads:
        running: deque[Future[Made]] = deque(threads.submit(call, each) for each in first)
        try:
            while running:
                running.extend(threads.submit(call, each) for each in islice(waiting, _UNDER_WAY - len(running)))
                yield running.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
