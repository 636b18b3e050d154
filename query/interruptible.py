"""Statements that Ctrl-C ends: the engine itself hears no signal while it computes."""

from __future__ import annotations

import signal
import threading

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Callable
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
    done = threading.Event()  # a `join` that a signal ends takes the thread for ended, in Python 3.11 (bpo-45274)

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again by who waits)
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="datamon-statement", daemon=True)
    heard = _started(thread)
    try:
        for number, handler in heard:
            handler(number, None)
        done.wait()
    except BaseException:
        _end(connection, done)
        raise
    if failed:
        raise failed[0]
    return ended[0]


def _started(thread: threading.Thread) -> list[tuple[int, Handler]]:
    """The thread runs. Signals that came meanwhile, with who handles them: who has half started a thread cannot wait for it."""
    heard: list[tuple[int, Handler]] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        thread.start()
        return heard
    handler: Handler = before
    signal.signal(signal.SIGINT, lambda number, _: heard.append((number, handler)))
    thread.start()
    signal.signal(signal.SIGINT, before)
    return heard


def _end(connection: duckdb.DuckDBPyConnection, done: threading.Event) -> None:
    """The work has ended: the engine is told so until it hears, for it may only be about to begin."""
    while not done.is_set():
        try:
            connection.interrupt()
            done.wait(_AGAIN_S)
        except KeyboardInterrupt:
            continue
