"""The user's own Spark, as pyspark finds it: what runs the tasks of an ingest, and scans for questions."""

import re
import socket
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from datamon.errors import Conflict, DatamonError, Invalid, Unavailable
from datamon.store.external.share_task import ShareTask, bring_share

TASKS_PER_CORE = 2
"""So many shares for each task that runs at once: a core that is done early takes another."""
_PASSING = ("log-contended", "condemned", "session-fenced", "source-changed")
_LONGEST = 300
_CALLING = "An error occurred while calling"
_CAUSE = re.compile(r"^(?:[\w.]*\.)?\w*(?:Error|Exception|Unavailable|Conflict|Failure): .+$", re.MULTILINE)


class SparkEngine:
    """See `Engine`. A context: inside, there is a SparkSession, the one that is active or a new one, which ends with it. Made, it
    only looks for pyspark, and raises Invalid (`missing-extra`) where that is not installed."""

    def __init__(self) -> None:
        try:
            from py4j.protocol import Py4JError  # an optional extra
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as error:
            message = "Spark needs the package pyspark; install it with: pip install 'datamon[spark]'"
            raise Invalid("missing-extra", message, extra="spark") from error
        self._sessions: Any = SparkSession
        self.failures: tuple[type[Exception], ...] = (Py4JError, PySparkException, OSError)
        self.session: Any = None
        self._is_own = False

    def __enter__(self) -> Self:
        """Raises Unavailable (`engine-unavailable`) when Spark does not start."""
        self._is_own = self._sessions.getActiveSession() is None
        try:
            self.session = self._sessions.builder.getOrCreate()
            self.width = int(self.session.sparkContext.defaultParallelism) * TASKS_PER_CORE
        except self.failures as error:
            message = f"Spark cannot be used ({shown_failure(error)}); see that it has a master, Java, and tasks of Python's own"
            raise Unavailable("engine-unavailable", message) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was started is stopped."""
        if self._is_own:
            self.session.stop()

    def run(self, tasks: Sequence[ShareTask], done: Callable[[ShareTask], None]) -> str | None:
        """See `Engine`."""
        context = self.session.sparkContext
        finished = context.accumulator((), _Finished(lambda place: done(tasks[place])))
        placed = list(enumerate(tasks))
        try:
            failures = context.parallelize(placed, len(placed)).map(partial(_bring, finished)).collect()
        except self.failures as error:
            return shown_failure(error)
        for failure in failures:
            if failure is not None:
                raise failure
        return None


def _bring(finished: Any, placed: tuple[int, ShareTask]) -> DatamonError | None:
    """On a worker. What another attempt would not mend is told, for Spark tries all that is raised again."""
    place, task = placed
    try:
        bring_share(task)
    except DatamonError as error:
        if isinstance(error, Unavailable) or (isinstance(error, Conflict) and error.code in _PASSING):
            raise
        return type(error)(error.code, f"{task.share.name} on {socket.gethostname()}: {error.message}", **error.facts)
    finished.add((place,))
    return None


class _Finished:
    """How Spark tells the driver of each task that ended, as an accumulator: the places of those that ended."""

    def __init__(self, tell: Callable[[int], None] | None = None) -> None:
        self._tell = tell

    def __reduce__(self) -> tuple[object, ...]:
        return _Finished, ()  # there is nobody to tell on a worker

    def zero(self, _: tuple[int, ...]) -> tuple[int, ...]:
        """Where a worker begins."""
        return ()

    def addInPlace(self, places: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:  # noqa: N802 (Spark's name)
        """Both."""
        if self._tell is not None:
            for place in more:
                self._tell(place)
        return places + more


def shown_failure(error: Exception) -> str:
    """Its cause in a line. What a task raised is the end of a Python traceback in the text, what Java raised its second line."""
    text = str(error)
    lines = [line.strip(": \t") for line in text.splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].startswith(_CALLING):
        lines = lines[1:] or lines
    causes = _CAUSE.findall(text)
    return (causes[0] if causes else lines[0])[:_LONGEST]
