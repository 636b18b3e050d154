"""The bars themselves: one per stage, with files, bytes, rate and time left."""

from threading import Lock

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text


class FilesColumn(TextColumn):
    """`12/40 files`, or `12 files` where the total is not known."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """The count of files of one stage."""
        total = task.fields["files_total"]
        return Text(f"{task.fields['files']:,}{f'/{total:,}' if total is not None else ''} files")


class Bars:
    """Listens to work and draws it; satisfies `datamon.store.progress.Progress`. Safe to call from any thread.

    Nothing is drawn while no stage is under way, so that a command run in between has the terminal to itself.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._drawing: Progress | None = None
        self._stages: list[TaskID] = []
        self._lock = Lock()

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """A new bar under the others."""
        with self._lock:
            if self._drawing is None:
                self._drawing = _drawing(self._console)
                self._drawing.start()
            self._stages.append(self._drawing.add_task(what, total=size_bytes, files=0, files_total=files))

    def advance(self, files: int, size_bytes: int) -> None:
        """Moves the newest stage's bar."""
        with self._lock:
            if self._drawing is None or not self._stages:
                return
            stage = self._stages[-1]
            done = self._drawing.tasks[self._drawing.task_ids.index(stage)].fields["files"] + files
            self._drawing.update(stage, advance=size_bytes, files=done)

    def end(self) -> None:
        """Takes the newest stage's bar away."""
        with self._lock:
            if self._drawing is not None and self._stages:
                self._drawing.remove_task(self._stages.pop())
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


def _drawing(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        FilesColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
