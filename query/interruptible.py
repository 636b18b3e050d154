"""Statements that Ctrl-C ends: the engine itself hears no signal while it computes."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import duckdb

Result = TypeVar("Result")
Handler = Callable[[int, None], object]
_AGAIN_S = 0.05


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """What `work` gives, which asks `connection` and nothing else. An exception that a signal raises in the main thread
    meanwhile (KeyboardInterrupt) stops the statement, and is raised when that has ended."""
    if threading.current_thread() is not threading.main_thread():
        return work()  # signals do not come here
    ended: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again by who waits)
            failed.append(error)

    thread = threading.Thread(target=run, name="datamon-statement", daemon=True)
    with _deferred() as heard:  # who has half started a thread cannot wait for it
        thread.start()
    try:
        for number, handler in heard:
            handler(number, None)
        thread.join()
    except BaseException:
        _end(connection, thread)
        raise
    if failed:
        raise failed[0]
    return ended[0]


def _end(connection: duckdb.DuckDBPyConnection, thread: threading.Thread) -> None:
    """The thread has ended: the engine is told so until it hears, for it may only be about to begin."""
    while thread.is_alive():
        with suppress(KeyboardInterrupt):
            connection.interrupt()
            thread.join(_AGAIN_S)


@contextmanager
def _deferred() -> Iterator[list[tuple[int, Handler]]]:
    """Signals of this block, with who handles them, when it has ended: they are not handled in it."""
    heard: list[tuple[int, Handler]] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield heard
        return
    handler: Handler = before
    signal.signal(signal.SIGINT, lambda number, _: heard.append((number, handler)))
    yield heard
    signal.signal(signal.SIGINT, before)
