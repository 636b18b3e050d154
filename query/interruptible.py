"""Statements that Ctrl-C ends: the engine itself hears no signal while it computes."""

import threading
from collections.abc import Callable
from typing import TypeVar

import duckdb

Result = TypeVar("Result")


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
    thread.start()
    try:
        thread.join()
    except BaseException:
        connection.interrupt()
        thread.join()
        raise
    if failed:
        raise failed[0]
    return ended[0]
