"""The bars themselves: one per stage, with files, bytes, rates and time left."""

import time
from collections.abc import Callable, Iterable
from threading import Lock

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from datamon.cli.pace import Pace, seconds_left


class Stage:
    """One stage of the work: what is to be done, what is done, and how fast it went lately."""

    def __init__(self, files: int | None, size_bytes: int | None, now_s: float) -> None:
        self.files_total = files
        self.bytes_total = size_bytes
        self.files = 0
        self.size_bytes = 0
        self.rates = (0.0, 0.0)
        self._pace = Pace(now_s)

    def look(self, now_s: float) -> None:
        """The rates are those of this moment."""
        self.rates = self._pace.note(now_s, self.files, self.size_bytes)

    def left_s(self) -> float | None:
        """Seconds to go; None when that cannot be said."""
        if self.files_total is None or self.bytes_total is None:
            return None
        left = max(0, self.files_total - self.files), max(0, self.bytes_total - self.size_bytes)
        return seconds_left(left, self.rates)


class FilesColumn(ProgressColumn):
    """`12/40 files`, or `12 files` where the total is not known."""

    def render(self, task: Task) -> Text:
        """The count of files of one stage."""
        stage: Stage = task.fields["stage"]
        total = "" if stage.files_total is None else f"/{stage.files_total:,}"
        if not total and not stage.files:
            return Text("")  # work that is told of in bytes only
        return Text(f"{stage.files:,}{total} files")


class RatesColumn(ProgressColumn):
    """`12.5 MB/s 4,100 files/s`."""

    def render(self, task: Task) -> Text:
        """The rates of one stage."""
        stage: Stage = task.fields["stage"]
        files_s, bytes_s = stage.rates
        of_files = f" {files_s:,.0f} files/s" if stage.files or stage.files_total is not None else ""
        return Text(f"{filesize.decimal(int(bytes_s))}/s{of_files}")


class LeftColumn(ProgressColumn):
    """`0:42 left`."""

    def render(self, task: Task) -> Text:
        """The time that one stage still takes."""
        stage: Stage = task.fields["stage"]
        left_s = stage.left_s()
        return Text("-:-- left" if left_s is None else f"{_spoken(round(left_s))} left")


class Bars:
    """Listens to work and draws it; satisfies `datamon.store.progress.Progress`. Safe to call from any thread.

    Nothing is drawn while no stage is under way, so that a command run in between has the terminal to itself.
    """

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._drawing: _Drawing | None = None
        self._stages: list[Stage] = []
        self._lock = Lock()

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """A new bar under the others."""
        with self._lock:
            if self._drawing is None:
                self._drawing = _Drawing(self._console, self._clock)
                self._drawing.start()
            self._stages.append(Stage(files, size_bytes, self._clock()))
            self._drawing.add_task(what, total=size_bytes, stage=self._stages[-1])

    def advance(self, files: int, size_bytes: int) -> None:
        """Moves the newest stage's bar, when it is next drawn: this is called for every file."""
        with self._lock:
            if self._stages:
                self._stages[-1].files += files
                self._stages[-1].size_bytes += size_bytes

    def end(self) -> None:
        """Takes the newest stage's bar away."""
        with self._lock:
            if self._drawing is not None and self._stages:
                self._stages.pop()
                self._drawing.remove_task(self._drawing.task_ids[-1])
            self._stop_when_idle()

    def close(self) -> None:
        """Takes all bars away."""
        with self._lock:
            self._stages.clear()
            self._stop_when_idle()

    def _stop_when_idle(self) -> None:
        if self._drawing is not None and not self._stages:
            self._drawing.stop()
            self._drawing = None


class _Drawing(Progress):
    """Asks each stage how far it is whenever it draws."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            FilesColumn(),
            DownloadColumn(),
            RatesColumn(),
            LeftColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._clock = clock

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """The bars as they are at this moment."""
        shown = list(tasks)
        for task in shown:
            stage: Stage = task.fields["stage"]
            stage.look(self._clock())
            task.completed = stage.size_bytes
        return super().make_tasks_table(shown)


def _spoken(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
