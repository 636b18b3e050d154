"""How the serving of a mount ends: when it is unmounted, and at a signal, also while programs wait for what it reads."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from datamon.errors import DatamonError
from datamon.store.backend.patience import stop_waiting, wait_again
from datamon.store.mount.mounts import unmount

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAKING = signal.SIGUSR1
_AGAIN_S = 0.1
_ENDED, _ASKED = "ended", "asked"


class Leavable:
    """The operations of a mount, of which one takes the serving to its end once it was asked for: `leave` has to be called where
    libfuse knows which mount is meant, inside an operation."""

    def __init__(self, operations: Any, leave: Callable[[], object]) -> None:
        self._operations = operations
        self._leave = leave
        self.is_asked = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operations, name)

    def statfs(self, path: str) -> Any:
        """As the operations have it."""
        if self.is_asked:
            self._leave()
        return self._operations.statfs(path)


def serve_until_signal(
    serve: Callable[[], object], operations: Leavable, directory: Path, *, longest_s: float = math.inf
) -> None:
    """`serve` has shown the operations at `directory`, in a thread of its own, until that was unmounted or this process got one
    of ENDING. At a signal nobody waits any more for a store that may come back: what programs are reading fails. When an
    operation still goes on `longest_s` after that, it is left alone: then the end of this process ends it.

    To be called by the main thread. Raises what `serve` raises.
    """
    news: SimpleQueue[str] = SimpleQueue()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            serve()
        except BaseException as error:  # noqa: BLE001 (it is raised where somebody hears it)
            failures.append(error)
        finally:
            news.put(_ENDED)

    with _heard(lambda: news.put(_ASKED)):
        thread = threading.Thread(target=work, name="mount", daemon=True)
        thread.start()
        deadline = math.inf
        while not _is_over(news, wait_s=_AGAIN_S if operations.is_asked else None):
            if not operations.is_asked:
                stop_waiting()
                operations.is_asked = True
                deadline = time.monotonic() + longest_s
            if time.monotonic() > deadline:
                with suppress(DatamonError):
                    unmount(directory, force=True)
                return
            with suppress(OSError):
                os.statvfs(directory)
            with suppress(ProcessLookupError):
                signal.pthread_kill(thread.ident or 0, _WAKING)  # libfuse sleeps until a signal comes to its own thread
        thread.join()
    wait_again()
    if failures:
        raise failures[0]


def _is_over(news: "SimpleQueue[str]", wait_s: float | None) -> bool:
    """Whether the serving has ended; not when it is asked to, or was asked some time ago."""
    try:
        return news.get(timeout=wait_s) == _ENDED
    except Empty:
        return False


@contextmanager
def _heard(tell: Callable[[], object]) -> Iterator[None]:
    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: tell()) for number in heeded}
    before[_WAKING] = signal.signal(_WAKING, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
