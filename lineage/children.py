"""The processes that do steps again: started with an order, listened to until they answer, asked to stop when we are."""

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from datamon.lineage.execution import in_foreground
from datamon.lineage.records import RunOpened
from datamon.store.ids import RunId

_LOOK_EVERY_S = 0.2
"""How soon a request to stop is seen while nothing answers."""
_PATIENCE = 3
"""The third request to stop kills the steps."""
_TAIL_BYTES = 4000
_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Program:
    """How a step's process is started: its command, to which the order is added, its variables, and the directory that means
    the working tree."""

    words: tuple[str, ...]
    variables: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one step. `run` is what was recorded, None when it did not come so far; `error` is None when it succeeded;
    `printed` is the end of what it printed."""

    run: RunId | None
    error: str | None
    notes: tuple[str, ...] = ()
    printed: str = ""


def answered(file: int, answer: Answer) -> None:
    """The answer stands in the open file of that number, which is closed. An asker that is gone does not matter."""
    with suppress(BrokenPipeError), os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump({"run": answer.run, "error": answer.error, "notes": list(answer.notes)}, out)


@dataclass(eq=False)
class Child:
    """A step's process under way."""

    process: subprocess.Popen[bytes]
    answers: int
    printed: Path
    heard: bytearray = field(default_factory=bytearray)

    def ended(self) -> Answer:
        """Its answer, when it is gone."""
        code = self.process.wait()
        os.close(self.answers)
        tail = self.printed.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
        try:
            told = json.loads(self.heard)
        except ValueError:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return Answer(None, f"its process ended with {how} and said nothing", (), tail)
        return Answer(told["run"], told["error"], tuple(told["notes"]), tail)


class Children:
    """The processes of a rebuild, none of which outlives the context `asked_to_stop`."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._selector = selectors.DefaultSelector()
        self._running: set[Child] = set()
        self._count = 0
        self.requests: list[signal.Signals] = []

    def start(self, run: RunOpened, variables: Mapping[str, str], root: Path | None = None) -> Child:
        """A process that does the run again, with these variables besides the program's; with `root` exactly as it was, its code
        root being there. Raises OSError."""
        self._count += 1
        order, printed = self._folder / f"{self._count}.json", self._folder / f"{self._count}.txt"
        ordered = {"run": run.to_record(), "root": str(root) if root else None}
        order.write_text(json.dumps(ordered), encoding="utf-8")
        answers, telling = os.pipe()
        try:
            with printed.open("wb") as out:
                process = subprocess.Popen(
                    [*self._program.words, str(order), str(telling)],
                    cwd=self._program.cwd,
                    env={**self._program.variables, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    pass_fds=(telling,),
                )
        except OSError:
            os.close(answers)
            raise
        finally:
            os.close(telling)
        child = Child(process, answers, printed)
        self._running.add(child)
        self._selector.register(answers, selectors.EVENT_READ, child)
        return child

    def next_ended(self) -> list[Child]:
        """Those that ended meanwhile; none after a while, or when we were asked to stop."""
        ended = []
        for key, _ in self._selector.select(_LOOK_EVERY_S):
            child: Child = key.data
            piece = os.read(child.answers, 1 << 16)
            child.heard += piece
            if not piece:
                self._selector.unregister(child.answers)
                self._running.discard(child)
                ended.append(child)
        return ended

    @contextmanager
    def asked_to_stop(self) -> Iterator[Sequence[signal.Signals]]:
        """Requests to stop go to the children and into the list that this gives; what the terminal sends to its foreground group
        has reached them already. At the end whoever is left is killed."""
        before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}
        try:
            if threading.current_thread() is threading.main_thread():
                for number in _HEARD:
                    if signal.getsignal(number) is not signal.SIG_IGN:
                        before[number] = signal.signal(number, self._take)
            yield self.requests
        finally:
            for child in tuple(self._running):
                child.process.kill()
                child.process.wait()
            self._selector.close()
            for number, earlier in before.items():
                signal.signal(number, earlier)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.requests.append(signal.Signals(number))
        sent = signal.SIGKILL if len(self.requests) >= _PATIENCE else signal.Signals(number)
        if sent == signal.SIGINT and in_foreground():
            return
        for child in tuple(self._running):
            child.process.send_signal(sent)


def python_program(module: str) -> tuple[str, ...]:
    """The words that run a module with this Python, whatever modules the working directory has."""
    return (sys.executable, "-P", "-m", module)
