"""Progress bars on stderr, when someone watches."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from datamon.store.progress import SILENT, Progress


@contextmanager
def watching() -> Iterator[Progress]:
    """A listener that draws bars on stderr while the block lasts, when stderr is a terminal; otherwise a silent one.

    The bars are gone when the block ends: what is worth keeping is a result, and results are lines.
    """
    if not sys.stderr.isatty():
        yield SILENT
        return
    from datamon.cli.bars import Bars  # rich costs 60 ms, which only a watched terminal pays

    bars = Bars()
    try:
        yield bars
    finally:
        bars.close()


class Awaited:
    """A listener for work that is mostly not there to be done: it draws bars, as `watching` does, once a stage begins, and they
    are gone when it ends."""

    def __init__(self) -> None:
        self._drawn = ExitStack()
        self._heard: Progress = SILENT

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """See `Progress`."""
        self.end()
        self._heard = self._drawn.enter_context(watching())
        self._heard.begin(what, files, size_bytes)

    def advance(self, files: int, size_bytes: int) -> None:
        """See `Progress`."""
        self._heard.advance(files, size_bytes)

    def end(self) -> None:
        """See `Progress`."""
        self._heard.end()
        self._heard = SILENT
        self._drawn.close()
