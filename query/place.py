"""Where a question is asked: what `now` means for code and parameter files."""

from dataclasses import dataclass
from pathlib import Path

from datamon.lineage.known_texts import KnownTexts


@dataclass(frozen=True, slots=True)
class Place:
    """A working tree (None: nowhere, so that only what is recorded counts), the name of the host it is on, and what that host
    knows of large trees of code."""

    cwd: Path | None = None
    host: str = ""
    texts: KnownTexts | None = None


NOWHERE = Place()
