"""Engines for tests of spread ingests: tasks in this process, and in processes that may be killed, without Spark."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from datamon.store.external.share_task import ShareTask, bring_share

_ATTEMPTS = 4
_LONGEST_S = 120.0
_RUN = (
    "import pickle, sys; from datamon.store.external.share_task import bring_share; "
    "bring_share(pickle.load(sys.stdin.buffer))"
)


@dataclass
class Here:
    """Runs tasks one after the other in this process, as they come out of pickle. Those whose numbers are in `leaving_out` are
    not run; `word` is what it then says of itself. `ran` are the names of the shares that were brought."""

    width: int = 4
    leaving_out: frozenset[int] = frozenset()
    word: str | None = None
    ran: list[str] = field(default_factory=list)

    def run(self, tasks: Sequence[ShareTask], done: Callable[[ShareTask], None]) -> str | None:
        """See `Engine`."""
        for task in tasks:
            if task.share.number not in self.leaving_out:
                bring_share(pickle.loads(pickle.dumps(task)))  # noqa: S301 (it was just pickled)
                self.ran.append(task.share.name)
                done(task)
        return self.word

    @contextmanager
    def opened(self) -> Iterator["Here"]:
        """It, for as long as the block lasts."""
        yield self


@dataclass
class Processes:
    """Runs each task in a process of its own, all at once; one that died is started again. `running` are the processes of the
    tasks by the names of their shares, `deaths` how often one died."""

    width: int = 4
    running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)

    def run(self, tasks: Sequence[ShareTask], done: Callable[[ShareTask], None]) -> str | None:
        """See `Engine`."""
        for task in tasks:
            self._start(task)
        for task in tasks:
            for _ in range(_ATTEMPTS):
                if self.running[task.share.name].wait(_LONGEST_S) == 0:
                    done(task)
                    break
                self.deaths.append(task.share.name)
                self._start(task)
            else:
                return f"{task.share.name} died {_ATTEMPTS} times"
        return None

    def _start(self, task: ShareTask) -> None:
        process = subprocess.Popen([sys.executable, "-c", _RUN], stdin=subprocess.PIPE)
        self.running[task.share.name] = process
        assert process.stdin is not None
        with process.stdin as stream:
            stream.write(pickle.dumps(task))

    @contextmanager
    def opened(self) -> Iterator["Processes"]:
        """It, for as long as the block lasts; no process is left then."""
        try:
            yield self
        finally:
            for process in self.running.values():
                process.kill()
                process.wait()
