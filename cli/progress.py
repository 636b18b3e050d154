"""Progress bars on stderr, when someone watches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
