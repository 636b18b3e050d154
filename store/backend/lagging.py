"""Files that are made durable a moment after they were written, by a thread, and at the end of the process."""

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path

_LAG_S = 0.5
"""For so long after the first write that was not waited for, more are gathered."""


class Lagging:
    """Calls `sync` with each path that was noted, once for all that was noted of it within half a second. Of any thread; a forked
    process begins anew."""

    def __init__(self, sync: Callable[[Path], None]) -> None:
        self._sync = sync
        self._pending: set[Path] = set()
        self._lock = threading.Lock()
        self._process = 0
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    def note(self, path: Path) -> None:
        """The path is synced soon. Raises OSError when an earlier one could not be."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            failure, self._failure = self._failure, None
            self._pending.add(path)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lagging", daemon=True)
                self._thread.start()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Everything that was noted by this process is synced."""
        if self._process == os.getpid():
            self._take()

    def _begin(self) -> None:
        self._process, self._lock, self._pending, self._thread = os.getpid(), threading.Lock(), set(), None
        atexit.register(self.finish)

    def _run(self) -> None:
        threading.Event().wait(_LAG_S)
        with self._lock:
            self._thread = None
        self._take()

    def _take(self) -> None:
        with self._lock:
            taken, self._pending = self._pending, set()
        for path in taken:
            try:
                self._sync(path)
            except OSError as error:
                self._failure = error
