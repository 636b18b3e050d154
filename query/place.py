"""Where a question is asked: what `now` means for code and parameter files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A working tree (None: nowhere, so that only what is recorded counts) and the name of the host it is on."""

    cwd: Path | None = None
    host: str = ""


NOWHERE = Place()
