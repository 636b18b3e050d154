"""Long answers through a pager, when someone sits at the terminal."""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from datamon.cli.environment import pager_environment, pager_words
from datamon.cli.output import write


def write_paged(texts: Iterable[str], *, paged: bool = True) -> None:
    """Writes texts to stdout; through the pager when stdout is a terminal with fewer lines than they have, unless not `paged`."""
    words = pager_words() if paged and sys.stdout.isatty() else []
    if not words or shutil.which(words[0]) is None:
        write(texts)
        return
    rest = iter(texts)
    first = list(_first(rest, shutil.get_terminal_size().lines - 1))
    if sum(text.count("\n") for text in first) < shutil.get_terminal_size().lines - 1:
        write(first)
        return
    _page(words, chain(first, rest))


def _first(texts: Iterator[str], lines: int) -> Iterator[str]:
    """So many texts that they have so many lines, if there are."""
    count = 0
    for text in texts:
        yield text
        count += text.count("\n")
        if count >= lines:
            return


def _page(words: list[str], texts: Iterable[str]) -> None:
    """The pager shows the texts; it ends when its reader leaves it. Ctrl-C is the pager's."""
    sys.stdout.flush()
    with _ignoring_interrupts(), subprocess.Popen(words, stdin=subprocess.PIPE, env=pager_environment()) as pager:
        assert pager.stdin is not None, "it was asked for"
        with contextlib.suppress(BrokenPipeError), pager.stdin as reading:
            for text in texts:
                reading.write(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
